"""Recovery: lets a group begin anew in the data directory of one node, from a backup or after a lost quorum; offline.

A group that begins anew has another incarnation. Its only member is the store in which it begins; others join it later.
What is left of the group as it was cannot mix with it: letters of another incarnation are refused, and all sessions of
clients end.

`backup_restore.py`: `restore_backup`, lets a group begin anew from a backup, in a data directory that lacks it.
`quorum_recovery.py`: `recover_group`, lets a group that has lost its quorum begin anew from the log of one store.
`snapshot_rewriting.py`: writes a snapshot of the group as it was as one of the group that begins anew.
"""
