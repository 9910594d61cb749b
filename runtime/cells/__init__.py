"""Actor cells: each cell queues the messages of one actor, calls its handler for them, and restarts or stops the actor.

`actor_classes.py`: lists the message types and hooks of an actor class, by reflection
`ask_cycles.py`: refuses an ask whose target already waits for the asker
`ask_deadlines.py`: creates asks and sets their deadlines
`asks.py`: wraps requests in envelopes, and ends those that reach their deadline
`cell.py`: queues the messages of one actor, and calls its handler
`children_and_watches.py`: tracks the children, watches, timers and pipes of one actor
`life_cycle.py`: starts, restarts and stops one actor
`mailbox.py`: queues waiting messages in three bounded lanes; names the overflow policies
`metering/`: follows the requests of one actor, for reports about its load
`run_queue.py`: schedules the actors of one system on the event loop
`sibling_restarts.py`: restarts the siblings of a failed actor, too
`slow_path.py`: handles messages where a plain call of `receive` is not enough
`spawn_options.py`: `SpawnOptions`, the options of one spawn
`stash.py`: sets messages aside for later, and replaces the message handler
`supervision.py`: defines whether, how often and how soon a failed actor is restarted
`undeliverable.py`: rejects asks that cannot be delivered, and counts other messages as dead letters
"""
