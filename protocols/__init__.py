"""Consensus protocols: implement Raft and Paxos as state machines without I/O; test them by simulation and checkers.

The state machines are pure: no I/O, no clock, no global randomness, no asyncio, no logging.

`algorithm.py`: `Algorithm`, the interface of consensus algorithms: takes events, returns effects
`durability_gate.py`: `DurabilityGate`, holds each message back until the disk write it depends on is durable
`fast_dataclass.py`: decorator that halves the time to construct an object of a frozen dataclass
`plausibility.py`: how far ahead the numbers of an honest member can be
`quorums.py`: the sets of nodes that may decide: majority, weighted, grid and joint quorums
`registration_rule.py`: `RegistrationRule`, decides which voters must remember the store of another voter
`rendezvous_score.py`: the score by which a key, or a shard, prefers a target by weight
`replicated_log.py`: the entries, events and effects that all algorithms for a replicated log share
`stable_hash.py`: the 64-bit hash of keys, the same in every process, version and machine
`balancing/`: policies that pick one of several targets for the next request
`checking/`: checks invariants and linearizability
`checkpoints/`: find replicas whose state machines answered the same log differently
`detection/`: failure detectors: suspect peers that have become silent
`evolution/`: decides what a state machine's code may change, given what the log recorded of the code before it
`faults/`: defines the faults of a run, draws them at random, and reduces failing runs
`membership/`: agrees on who is in a cluster: the view, its changes, crashed members, partitions
`paxos/`: single-decree Paxos (the Synod protocol)
`placement/`: divides keys into shards, and places the shards' replicas on nodes
`raft/`: Raft
`sessions/`: executes each client command exactly once
`simulation/`: runs the algorithms under faults in simulated time
"""
