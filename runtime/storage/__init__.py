"""Durable logs: the contract (`storage.log`), on disk (`SegmentedLog`), in memory (`MemoryLog`)."""
