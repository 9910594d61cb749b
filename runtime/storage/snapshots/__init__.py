"""Snapshots: opaque byte streams that hold a replica's state at a log index, in files beside the log's segments.

`file_snapshots.py`: stores snapshots in the data directory of a log, by its disk thread.
`memory_snapshots.py`: stores snapshots in memory only.
`snapshot_files.py`: names, lists, writes and removes snapshot files.
`snapshot_store.py`: defines the interface to stored snapshots.
"""
