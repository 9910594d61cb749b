"""Actor system: runs supervised actors, sends messages between nodes, writes durable logs, and simulates nodes.

`actor.py`: `Actor`, the base class of actors, and `Context`, the operations available to a handler
`actor_task.py`: `ActorTask`, runs asynchronous handlers, and remembers whether anybody has cancelled it
`actor_registry.py`: `ActorRegistry`, starts the actors of one system, and finds them by path
`local_delivery.py`: finds the actor at a path of this system anew for each message
`local_ref.py`: `LocalRef`, sends messages to an actor of this process
`refs.py`: `Ref` and `Address`, the two ways to name an actor
`reply_task.py`: lets a task make the reply to an ask, on behalf of the ask's sender
`system.py`: `System`, spawns, finds and stops the actors of one process, and connects it to other systems
`system_config.py`: `SystemConfig`, the settings of a system
`threadsafe.py`: `ThreadSafe`, sends messages and spawns actors from other threads
`user_code.py`: decides what exceptions and results of user code mean, and calls listeners
`cells/`: queues the messages of each actor, calls its handler, and restarts or stops the actor
`datagrams/`: sends messages to actors on other nodes in single UDP datagrams
`hosts/`: provides clocks, network, disk and threads: of this machine, in virtual time, or simulated
`messages/`: makes message types from classes, and encodes and decodes messages
`observing/`: publishes actor events, counts messages and failures, detects a blocked event loop, and logs
`remote/`: sends messages to actors on other nodes, and watches, looks up and spawns actors there
`storage/`: keeps the logs of replicated groups, on disk or in memory
`transport/`: connects systems, and moves items between them
"""
