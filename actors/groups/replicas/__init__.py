"""Replicas: applies the log of a replicated group on one node, and finds out whether the replicas answer alike.

`answer_room.py`: `AnswerRoom`, bounds the large answers that wait for the links of all clients together
`apply_failures.py`: `ApplyFailures`, logs the exceptions that come out of a state machine's `apply`
`call_room.py`: gives the code of a state machine the same room for nested calls on every replica
`client_proposals.py`: `ClientProposals`, keeps the commands that clients wait for, and answers each exactly once
`client_requests.py`: `ClientRequests`, makes events of what clients ask, or answers it from what is applied here
`digest_exchange.py`: `DigestExchange`, lets the replicas of a group compare their digests
`disk_tasks.py`: `DiskTasks`, reads old entries, and marks a store that has lost promises
`leader_announcements.py`: `LeaderAnnouncements`, tells clients who leads, and operators when no node does
`machine_turns.py`: `MachineTurns`, lets the state machine apply entries and answer reads, in slices
`read_queue.py`: `ReadQueue`, answers reads in slices, in turns between those who ask; `ReadRoom` bounds them
`replica_messages.py`: `ReplicaMessage`, the messages that the actor of a replica takes
`replica_snapshot.py`: says of which sections the snapshot of a replica consists, and checks that they come whole
`replica_status.py`: reports what one node of a group is and does, for operators
`replica.py`: `Replica`, applies the entries of the log to the sessions and the state machine of one node
`typed_machine.py`: `TypedMachine`, runs a typed `StateMachine` on encoded commands
"""
