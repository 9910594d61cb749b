"""Membership simulation: lets members of a view join, leave, and expel each other under faults.

`cut_world.py`: `CutWorld`, runs the cut detector of a view's leader; counts views and wrong removals
`member_world.py`: `MemberWorld`, runs all of membership: every node's part, their network, and the group
`world_config.py`: `WorldConfig`, what that world does by itself
`simulated_member.py`: `SimulatedMember`, one life of a node
`member_links.py`: `MemberLinks`, decides which messages arrive
`view_group.py`: `ViewGroup`, the group that holds the view
`member_checks.py`: `MemberChecks`, the invariants
`member_schedules.py`: `MemberSchedule`, random faults
`node_trials.py`: runs in which one broken promise of a node would show
"""
