"""Storage: keeps the logs of replicated groups, durably in one write-ahead log per node, or only in memory.

`data_directory.py`: creates, locks and identifies the directory of a store.
`group_commit.py`: collects writes into batches, and writes each batch with one fdatasync.
`group_tail.py`: checks that each write continues at the last position of its group.
`history/`: finds stores that went back in time.
`log_recovery.py`: reads the segments after a start or a crash, and cuts off an incomplete last write.
`log_store.py`: defines the interface to stored logs.
`memory_log.py`: stores logs in memory only.
`next_segment.py`: prepares the file of the next segment ahead.
`record_index.py`: keeps in memory where each record of a group is on disk.
`record_reader.py`: reads records and checks their checksums.
`segment_files.py`: creates, lists and removes segment files.
`segment_format.py`: encodes and decodes segments, batches and items.
`segmented_log.py`: stores logs on disk.
`snapshots/`: stores replicas' states at a log index, in files beside the log's segments.
`space/`: keeps disk space in reserve, takes it back, and says when too little is free.
`storage_config.py`: sets file and batch sizes, and when disk space is reclaimed.
`write_batch.py`: collects the bytes that go to disk in one write.
"""
