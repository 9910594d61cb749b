"""Benchmarks of compaction: a log that grows is replaced by snapshots, and what that costs.

`cluster_overwrites.py`: measures disk and memory of three nodes over many overwrites of the same keys.
`history_restart.py`: measures how long a node takes to serve again, against the length of its history.
`measured_node.py`: runs the one node that they measure, and reports its snapshots and the stalls of its loop.
`overwrites.py`: measures disk and memory while the same keys are overwritten again and again.
`snapshot_latency.py`: measures the latency of writes while a large store is saved.
"""
