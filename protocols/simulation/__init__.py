"""Protocol simulator: runs the algorithms under faults in simulated time; one seed determines the whole run.

`detection/`: runs failure detectors of thousands of members, on an event heap of its own.
`directed/`: directed schedules: run an algorithm step by step, as a test decides.
`faults/`: carries out the faults of a plan on links, nodes and disks.
`membership/`: lets members of a large view observe each other under faults, and cuts out those that crashed.
`mutants/`: deliberate bugs in the algorithms, which test the checkers.
`partitions/`: cut single links of a Raft group, and measure how soon it commits again.
`placement/`: nodes come, go and fail while plans of placement are carried out.
`scenarios/`: run Raft or single-decree Paxos with clients, faults and checkers.
`event_heap.py`: `EventHeap`, runs actions in simulated time; `stream`, makes a random generator from a name.
`hearing_raft.py`: `HearingRaft`, tells a simulated Raft node the store of every sender.
`protocol_disk.py`: `ProtocolDisk`, simulates a disk, on which writes become durable later and in order.
`protocol_network.py`: `ProtocolNetwork`, simulates a network, on which faults lose, delay or copy messages.
`protocol_node.py`: `ProtocolNode`, runs an algorithm on one node, with crashes and restarts.
`protocol_world.py`: `ProtocolWorld`, builds the clock, network, nodes and faults of one run from a seed.
`run_trace.py`: `RunTrace`, records the events of a run, and computes a hash of them.
`simulated_snapshots.py`: `SimulatedSnapshots`, keeps and transfers the snapshots of a simulated group, as drivers do.

Data flow: a fault plan (`coterie.protocols.faults`) is drawn from a seed, and the injector carries it out on network,
nodes and disks. A run (`RaftRun`, `SynodRun`) supplies the algorithm, the clients and the checkers
(`coterie.protocols.checking`), and implements `AlgorithmHarness` for the `ProtocolWorld`, which is the same for all
algorithms. A scenario makes runs from seeds and plans. One seed gives one trace, in every process.

`RunResult.events` counts deliveries (also to and from clients), timers that fire and completed syncs, and nothing else.
"""
