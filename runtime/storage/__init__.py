"""Storage: durable logs of replicated groups: one write-ahead log per node on disk, or a log in memory.

`data_directory.py`: identity, lock and formatting of a data directory.
`disk_reserve.py`: reserved disk space, so that a log on a full disk ends cleanly.
`group_commit.py`: batches of writes, one write and one fdatasync each.
`group_tail.py`: expected next position of each group, against which writes are checked.
`log_recovery.py`: replay of the segments after a start or a crash.
`log_store.py`: interface of a log store.
`memory_log.py`: log store in memory.
`record_index.py`: place of each record of a group.
`record_reader.py`: reads records and checks their checksums.
`segment_files.py`: names, creation and removal of segment files.
`segment_format.py`: bytes of segments, batches and items.
`segmented_log.py`: log store on disk.
`space_reclaim.py`: copies live records out of old segments and removes them.
`storage_config.py`: settings of a log store on disk.
`write_batch.py`: items that are written together.
"""
