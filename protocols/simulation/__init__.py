"""Protocol simulator: runs the pure algorithms under faults on an event heap; a seed determines the whole run.

`directed/`: directed schedules, in which a test moves messages, writes and time step by step.
`faults/`: the injector, which carries a fault plan out on links, nodes and disks.
`mutants/`: deliberate bugs in the algorithms, which test the checkers.
`scenarios/`: scenarios, their runs with clients and checkers, and the results.
`event_heap.py`: `EventHeap`, simulated time; `stream`, one named random stream for each purpose.
`protocol_disk.py`: `ProtocolDisk`, a simulated disk, on which writes become durable later and in order.
`protocol_network.py`: `ProtocolNetwork`, a simulated network, on which fault rules change messages.
`protocol_node.py`: `ProtocolNode`, runs an algorithm through the durability gate, one life after another.
`protocol_world.py`: `ProtocolWorld`, event heap, trace, network, nodes and injector of one run.
`run_trace.py`: `RunTrace`, the record of a run and its hash.

Data flow: a fault plan (`coterie.protocols.faults`) is drawn from a seed, and the injector carries it out on network,
nodes and disks. A run (`RaftRun`, `SynodRun`) supplies the algorithm, the clients and the checkers
(`coterie.protocols.checking`), and implements `AlgorithmHarness` for the `ProtocolWorld`, which knows no algorithm. A
scenario makes runs from seeds and plans. One seed gives one trace, in every process.

`RunResult.events` counts deliveries (also to and from clients), timers that fire and completed syncs, and nothing else.
"""
