"""Recoveries: rehearses groups that begin anew, after a lost quorum or from a backup.

`recovery_runs.py`: lets a group begin anew while a node of the group as it was comes back.
"""
