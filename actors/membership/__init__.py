"""Membership as actors: a cluster's view, held by a group of nodes; what nodes do to be in it, and what stands on it.

`membership_records.py`: the wire names of what pure membership speaks of, letters, the `Registry`, and `ViewUpdate`
`view_machine.py`: `ViewMachine`, the state machine that holds the view, the singletons and the services
`membership_requests.py`: what operators ask a node about the membership
`cluster_nodes.py`: `Members`, declares a cluster whose nodes come and go; `Role` and `Label`, where a part runs
`membership_feed.py`: what a node's actor writes about the membership, and its handle reads
`cluster_membership.py`: `ClusterMembership`, a node's handle to the view
`membership_actor.py`: `MembershipActor`, a node's part in the membership
`member_addresses.py`: links a node with the members; finds them by seeds
`receptionist/`: services by name: which actors of the members provide what
`member_health.py`: lets a node's opinion of the others follow the membership
`singleton/`: one actor of a name in the whole cluster: claims it, runs it, passes messages on
"""
