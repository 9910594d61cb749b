"""Backups: takes the snapshot of a group out of its cluster, into a file from which the group can be restored.

    replica: a confirmed snapshot of everything acknowledged ── chunks ──▶ client ──▶ FILE.tmp ── renamed ──▶ FILE

`backup_errors.py`: why a backup cannot be taken, read or restored.
`backup_file.py`: the format of a backup: writes the file, reads it, and checks everything in it.
`backup_messages.py`: what a client and a replica say to each other about backups.
`backup_serving.py`: `BackupServing`, lets one replica take a snapshot for a backup, and gives it away in chunks.
`backup_transfer.py`: `BackupTransfer`, lets a client fetch a backup and write the file.
"""
