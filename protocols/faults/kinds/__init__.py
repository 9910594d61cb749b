"""Fault kinds: define one frozen dataclass for each kind of fault (crash, partition, full disk …).

`actor_kinds.py`: faults of one actor and of the order in which actors run.
`disk_kinds.py`: faults of disks.
`fault_kinds.py`: `Fault`, unites all kinds in one type; finds a kind by its name.
`fault_targets.py`: where a plan runs, which node a fault hits, which links a partition cuts.
`field_limits.py`: checks that the numbers in a fault are in their allowed ranges.
`hostile_kinds.py`: hostile clients: a peer with a client's rights that sends anything.
`network_kinds.py`: faults of the network.
`node_kinds.py`: faults of processes and of clocks.
"""
