"""Replicated groups: the Raft actor, its clients, sessions and state machines.

`client_session.py`: `Session`, numbers the commands of one client
`group_client.py`: `GroupClient`, executes typed commands, each exactly once
`group_messages.py`: the messages between a group's nodes and its clients
`key_value.py`: `KeyValue`, a key-value store as a state machine
`key_value_client.py`: `KeyValueClient`, the client of a key-value store
`leader_router.py`: `LeaderRouter`, finds the leader, follows its hints and retries
`raft_actor.py`: `RaftActor`, one node of a Raft group
`raft_records.py`: encoding of Raft's durable state in a log store
`state_machine.py`: `StateMachine`, the base class of typed replicated state machines
"""
