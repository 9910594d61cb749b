"""Snapshots: a state that takes the place of the log up to an entry (Raft §7): taken, offered, fetched and installed.

`compaction.py`: `Compaction`, lets a snapshot take the place of entries, one's own or one from the leader.
`snapshot_fetch.py`: `SnapshotFetch`, fetches the leader's snapshot in chunks.
`snapshot_id.py`: `SnapshotId`, tells one snapshot from all others.
`snapshot_messages.py`: the messages, the events and the effects of it.
"""
