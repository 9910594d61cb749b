"""The consensus algorithms as pure state machines: no I/O, no clock, no global randomness, no asyncio, no logging.

`algorithm.py`: `Algorithm`, the interface of every algorithm, with its generic events and effects
`durability_gate.py`: `DurabilityGate`, holds each `Send` back until its write is durable
`fast_dataclass.py`: decorator that speeds up the construction of frozen dataclasses
`quorums.py`: quorum systems: majority, weighted, grid and joint
`replicated_log.py`: entries, events and effects of every algorithm that replicates a log
`balancing/`: load-balancing policies
`checking/`: checkers of invariants and of linearizability
`faults/`: fault plans: kinds of faults, random profiles, shrinking
`paxos/`: single-decree Paxos (the Synod protocol)
`raft/`: Raft
`sessions/`: exactly-once execution of commands
`simulation/`: deterministic simulation of the algorithms under faults
"""
