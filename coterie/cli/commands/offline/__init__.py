"""Offline commands: read the data directory of a node, without the node.

`log_command.py`: `coterie log` shows what the log of a data directory holds
`log_inspection.py`: `inspect_store`, reads a data directory without changing or locking it
"""
