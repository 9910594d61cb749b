"""Simulation hosts: processes that crash, clocks that drift, link faults and random order, all drawn from one seed.

`crash_cleanup.py`: `CrashCleanup`, retains the objects of crashed processes until the world ends
`fence/`: replaces or refuses calls that would reach the real world
`garbage_collection.py`: `GarbageCollection`, runs finalisers at fixed steps of the world
`interrupt.py`: lets Ctrl-C take effect between two steps of the loop
`link_conditions.py`: `ConditionedLink`, a link with delay, loss, corruption and bandwidth limit; `SimulatedNetwork`
`node_clock.py`: `NodeClock`, a node's clock that drifts and jumps
`process_life.py`: `Life`, one run of a node's process, from start to crash
`random_durations.py`: `RandomDuration`, a heavy-tailed distribution of durations
`seeded_run_queue.py`: `SeededRunQueue`, a run queue in which a visit order picks the next cell
`simulated_executor.py`: `SimulatedExecutor`, runs blocking functions inline at random times
`simulated_host.py`: `SimulatedHost`, the host of one life of a node
`simulated_loop.py`: `SimulatedLoop`, the virtual loop with random order and late wake-ups
`simulated_world.py`: `SimulatedWorld`, loop, network, disks, clocks and lives of one seed
`step_trace.py`: `StepTrace`, the steps of a run as lines and as a hash
`visit_order.py`: `VisitOrder`, picks the next cell: at random, by priority, or starving one actor
"""

__all__: list[str] = []
