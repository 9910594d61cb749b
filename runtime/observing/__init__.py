"""Observability: publishes actor events, counts messages and failures, detects a blocked event loop, and writes logs.

`actor_events.py`: publishes the events of actors to subscribers
`dead_letters.py`: counts undelivered messages by reason, and keeps the latest
`error_texts.py`: returns a bounded text of any exception, also of one whose own text cannot be had
`full_mailboxes.py`: logs which actors refuse messages because their mailboxes are full
`lag_probe.py`: measures how late the event loop runs its timers
`load_monitor.py`: measures, on demand, each actor's share of the loop's time, and the loop's lag
`log_folding.py`: lets one record a second and kind through, with the number of those that it stands for
`loggers.py`: passes log events to the standard library's `coterie.*` loggers
`printable_text.py`: makes any text safe to show on one line of a log, a terminal or a report
`system_stats.py`: reports the current counters of one system
`watchdog.py`: reports the actor and the message that block the event loop
"""
