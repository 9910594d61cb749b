"""Scenarios of members that change while a simulated group serves, and while it has faults.

`change_runs.py`: fixed situations in which members change: an old disk comes back, all are lost, a lone leader
`singleton_trials.py`: a node's part in a singleton with a scripted group: late grants, leases that end, returns
`member_operator.py`: `MemberOperator` draws changes of the members, and has them made as operators do
`membership_scenario.py`: scenario `membership`: nodes found a cluster, join and leave it while nodes crash
"""
