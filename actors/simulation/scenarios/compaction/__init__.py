"""Compaction scenarios: directed runs of groups that take snapshots all the time.

`snapshot_runs.py`: simulates crashes, damage, restarts and leaders that are apart at the moment of a snapshot.
`careless_machines.py`: simulates machines whose `snapshot` loses something, and that are mended then.
`restored_session_trials.py`: lets replicas that begin from a snapshot answer clients of open sessions.
"""
