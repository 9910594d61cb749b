"""Membership as actors: lets a group of nodes hold the view of a cluster, its singletons and its services.

`membership_records.py`: defines the wire names of what the pure membership decides about, and the `Registry`
`view_machine.py`: `ViewMachine`, the state machine that holds the view, the singletons and the services
"""
