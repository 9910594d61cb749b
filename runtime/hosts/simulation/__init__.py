"""Simulation: runs nodes in virtual time, with crashes, drifting clocks and network faults chosen by one seed.

`crash_cleanup.py`: `CrashCleanup`, keeps the objects of crashed processes alive, so that none of their code runs
`fence/`: replaces or refuses calls that would reach the real machine
`garbage_collection.py`: `GarbageCollection`, collects garbage at fixed steps of a simulation
`interrupt.py`: lets Ctrl-C take effect between two steps of the event loop
`link_conditions.py`: `ConditionedLink`, simulates delay, loss, corruption and bandwidth; `SimulatedNetwork`
`node_clock.py`: `NodeClock`, simulates a node's clock, which drifts and jumps
`process_life.py`: `Life`, simulates a node's process from one start to its crash
`random_durations.py`: `RandomDuration`, draws random durations, a few of them very long
`seeded_run_queue.py`: `SeededRunQueue`, schedules a node's actors in seeded random order
`simulated_executor.py`: `SimulatedExecutor`, runs blocking functions without threads, at random times
`simulated_host.py`: `SimulatedHost`, provides one process with its clock, network, disk, executor and run queue
`simulated_loop.py`: `SimulatedLoop`, runs all processes on one event loop, in random order and with late timers
`simulated_world.py`: `SimulatedWorld`, simulates network, disks and nodes from one seed
`step_trace.py`: `StepTrace`, records the steps of a simulation in a hash and, optionally, as text
`visit_order.py`: `VisitOrder`, picks the next actor: at random, by priority, or starving one
"""

__all__: list[str] = []
