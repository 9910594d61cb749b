"""Directed schedules: runs of an algorithm in which a test moves every message, write and second by hand.

`directed_group.py`: `DirectedGroup`, a Raft group that is moved by hand.
`raft_shorthand.py`: short functions that build Raft's messages and entries.
`session_eviction.py`: `evicted_session`, the schedule in which a session is evicted between two copies of a command.
"""
