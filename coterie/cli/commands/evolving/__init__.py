"""Evolving groups: defines the commands for state machines whose code changes: before a deployment, and after it.

`raft_command.py`: `coterie raft` shows the versions of a group's code, and makes a newer one active
`recorded_schemas.py`: reads what groups have recorded of their code: from a file, a data directory or running nodes
`schema_command.py`: `coterie schema` records the schemas of a topology's groups, and checks code against them
"""
