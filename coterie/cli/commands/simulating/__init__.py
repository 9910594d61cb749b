"""Simulating commands: defines what `coterie sim` runs beside scenarios.

`partitions_command.py`: `coterie sim partial-partitions` cuts links of Raft groups, and prints how soon they recover
"""
