"""Fault kinds: one frozen dataclass for each kind of fault.

`actor_kinds.py`: faults of actors and of scheduling.
`disk_kinds.py`: faults of disks.
`fault_kinds.py`: `Fault`, the union of all kinds; kinds by name.
`fault_targets.py`: `Level`, `TargetRole` and `Shape`, the level of a run, the role of a target, a partition's shape.
`field_limits.py`: the numbers that the fields of faults may hold.
`network_kinds.py`: faults of the network.
`node_kinds.py`: faults of processes and of clocks.
"""
