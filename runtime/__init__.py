"""The actor system: actors, messages, mailboxes, supervision, links to other systems, storage and virtual time.

`actor.py`: `Actor`, the base class of actors, and `Context`, the operations available to a handler
`local_delivery.py`: delivery to a path of this system, looked up for each message
`local_ref.py`: the ref of an actor of this process, with the fast path of tell and ask
`refs.py`: `Ref` and `Address`, the two ways to name an actor
`system.py`: `System`, the actors of one process and their links to other systems
`system_config.py`: the settings of a system
`threadsafe.py`: tell, ask and spawn from other threads
`cells/`: the mailbox, scheduling, life cycle and supervision of each actor
`hosts/`: clocks, network, disk and threads: of this machine, in virtual time, or simulated
`messages/`: message classes, their codecs and their delivery options
`observing/`: events, dead letters, statistics, load, stalls and logs
`remote/`: messages, asks, watches and spawns between systems
`storage/`: durable logs
`transport/`: links that move items between systems
"""
