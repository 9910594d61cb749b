"""Replicated groups: runs a state machine replicated with Raft, and executes each command of a client exactly once.

`client_session.py`: `Session`, numbers the commands of one client
`group_client.py`: `GroupClient`, sends typed commands to a group, which executes each exactly once
`group_messages.py`: defines the messages between a group's nodes and the group's clients
`key_value.py`: `KeyValue`, implements a key-value store as a state machine
`key_value_client.py`: `KeyValueClient`, reads and writes a replicated key-value store
`letter_admission.py`: `LetterAdmission`, decides which Raft letters of peers count
`letter_identity.py`: `LetterIdentity`, says for which group and from which store a letter comes
`leader_router.py`: `LeaderRouter`, sends commands to the leader, follows hints to it and retries
`raft_actor.py`: `RaftActor`, runs one node of a Raft group
`raft_records.py`: encodes and decodes the durable state of Raft for the log store
`state_machine.py`: `StateMachine`, the base class of typed replicated state machines
"""
