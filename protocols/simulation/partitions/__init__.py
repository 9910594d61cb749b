"""Partial partitions: cut single links of a Raft group in simulated time, and measure how soon it commits again.

`partial_partition.py`: `PartialPartition`, names the links that a partition breaks; `PARTITIONS` lists them all.
`partition_run.py`: `PartitionRun`, runs one group through one partition; `PartitionOutcome` is what came of it.
`recovery_report.py`: `RecoveryReport`, sums up the outcomes of many seeds in election time-outs.
"""
