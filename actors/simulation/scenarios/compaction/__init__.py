"""Compaction scenarios: directed runs of groups that take snapshots all the time.

`snapshot_runs.py`: what only a crash, a replica that is apart or a slow follower at the right moment shows.
`session_trials.py`: what a replica must know of its sessions after a snapshot.
"""
