"""Checkers of whole simulated systems: group invariants and client histories.

`run_checkers.py`: `RunCheckers` calls the checkers of one run; the first violation ends the run.
`raft_group_checker.py`: `RaftGroupChecker` checks one Raft group on its real actors and disks.
`synod_group_checker.py`: `SynodGroupChecker` checks one synod on its real actors and disks.
`history_recording.py`: `Recordings` holds the client operations of a run for the linearizability checker.
"""
