"""Replicated groups: runs a state machine replicated with Raft, and executes each command of a client exactly once.

`backups/`: takes the snapshot of a group out of its cluster, into a file from which it can be restored
`client_session.py`: `Session`, numbers the commands of one client
`command_batches.py`: cuts a queue of commands into batches, and gives each command of one its reply or failure
`group_client.py`: `GroupClient`, sends typed commands to a group, which executes each exactly once
`group_founding.py`: makes the register of a founder, and tells where a topology and a group differ later
`group_messages.py`: defines the messages between a group's nodes and the group's clients
`key_value.py`: `KeyValue`, implements a key-value store as a state machine
`key_value_client.py`: `KeyValueClient`, reads and writes a replicated key-value store
`letters/`: decides which Raft letters of peers count
`leader_router.py`: `LeaderRouter`, sends commands to the leader, follows hints to it and retries
`members/`: what operators change about the members of a group and its leader
`raft_actor.py`: `RaftActor`, runs one node of a Raft group
`raft_limits.py`: `RaftLimits`, fits the sizes of a Raft group to the frames and the store of its node
`raft_records.py`: encodes and decodes the durable state of Raft for the log store
`reply_room.py`: `ReplyRoom`, limits the bytes of large replies that are on their way at once
`routed_command.py`: `RoutedCommand`, tracks what is certain of the execution of one command over its attempts
`state_machine.py`: `StateMachine`, the base class of typed replicated state machines
`snapshots/`: save the attributes of a state machine, and restore them
`replicas/`: applies the log on one node, and finds out whether the replicas answer alike
`typed_commands.py`: encodes the commands of state machines, and decodes their replies, at the client
`compaction/`: takes snapshots of replicas, sends and restores them, and shortens the log
`evolution/`: describes machines as schemas, and decodes commands under a recorded one
"""
