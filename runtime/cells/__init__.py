"""Cells: the mailbox, scheduling, asks, life cycle and supervision of each actor of a system.

`actor_classes.py`: the message types and hooks of an actor class, found by reflection
`ask_cycles.py`: detects asks that would wait for themselves
`ask_deadlines.py`: makes the asks of one system and sets their deadlines
`asks.py`: the envelope of an ask, and the timing wheel on which asks expire
`cell.py`: one actor at one path: its mailbox and its visits
`children_and_watches.py`: the children, watches, timers and pipes of one actor
`life_cycle.py`: starts, restarts and stops one actor
`mailbox.py`: three bounded lanes of waiting messages, and the overflow policies
`run_queue.py`: schedules the visits of the cells of one system on the event loop
`sibling_restarts.py`: restarts the siblings of a failed actor together with it
`slow_path.py`: visits of cells that need more than a call of `receive`
`spawn_options.py`: the options of one spawn
`stash.py`: sets messages aside for later, and replaces the message handler
`supervision.py`: restart strategies, restart budgets and back-off
`undeliverable.py`: errors and dead letters for messages that cannot be delivered
"""
