"""Fault injection into whole simulated systems.

`simulation_injector.py`: `SimulationInjector` carries out a fault plan on a simulated cluster.
`fault_timing.py`: `FaultTiming` schedules the beginning and end of faults.
`node_faults.py`: `NodeFaults` injects crashes, pauses, slow nodes, replaced disks and clock faults.
`network_faults.py`: `NetworkFaults` injects delay, loss, corruption, resets, half-open links and partitions.
`disk_faults.py`: `DiskFaults` injects failed syncs and writes, full disks, bit rot and slow disks.
`actor_faults.py`: `ActorFaults` injects failing and hanging handlers, poison messages and full mailboxes.
`order_faults.py`: `OrderFaults` changes the order in which the actors of a node run.
"""
