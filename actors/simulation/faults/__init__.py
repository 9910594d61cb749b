"""System faults: injects node, network, disk, actor and scheduling faults into simulated clusters.

`simulation_injector.py`: `SimulationInjector` injects the faults of a plan, each at its planned time.
`fault_timing.py`: `FaultTiming` schedules the calls that begin and end injected faults.
`node_faults.py`: `NodeFaults` injects crashes, pauses, slow nodes, replaced disks and clock faults.
`network_faults.py`: `NetworkFaults` injects delay, loss, corruption, resets, half-open links and partitions.
`disk_faults.py`: `DiskFaults` injects failed syncs and writes, full disks, bit rot and slow disks.
`actor_faults.py`: `ActorFaults` injects failing and hanging handlers, poison messages and full mailboxes.
`hostile_faults.py`: `HostileFaults` lets clients send anything to nodes, and checks the nodes.
`order_faults.py`: `OrderFaults` changes the order in which a node runs its actors.
"""
