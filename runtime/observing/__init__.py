"""Observability: the events, dead letters, statistics, load, stalls and logs of one actor system.

`actor_events.py`: events of actors, published to subscribers
`dead_letters.py`: messages that were not delivered, counted by reason
`load_monitor.py`: each actor's share of the loop's time and the loop's lag, measured on demand
`loggers.py`: structlog loggers on top of the standard library's `coterie.*` loggers
`system_stats.py`: a snapshot of the counters of one system
`watchdog.py`: reports the actor and the message that block the event loop
"""
