"""Recovering commands: take groups out of their cluster into files, and let them begin anew.

`backup_command.py`: `coterie backup` takes a backup of a group, and checks one
`recover_command.py`: `coterie raft recover` lets a group that has lost its quorum begin anew from one log
`restore_command.py`: `coterie restore` lets a group begin anew from a backup, in a data directory
"""
