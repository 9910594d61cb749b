"""Changing groups: defines the commands for groups whose code, leader or members change while they serve.

`drain_command.py`: `coterie drain` lets a node hand over the leadership of its groups
`raft_command.py`: `coterie raft` shows the versions of a group's code, makes a newer one active, moves the leader
`raft_members.py`: `coterie raft members|add|promote|remove|replace` shows and changes the members of a group
`recorded_schemas.py`: reads what groups have recorded of their code: from a file, a data directory or running nodes
`schema_command.py`: `coterie schema` records the schemas of a topology's groups, and checks code against them
"""
