"""Replication: keeps what a leader knows about its followers and about its commit index.

`commit_watch.py`: `CommitWatch`, notices that the commit index stands still although entries wait.
`progress.py`: `Progress`, tracks one follower: nextIndex, matchIndex, unacknowledged entries.
"""
