"""System checkers: checks the invariants of Raft and Paxos groups in simulated clusters, and records client histories.

`view_checker.py`: `ViewChecker` checks that all nodes of a cluster see one sequence of views.
`run_checkers.py`: `RunCheckers` calls the checkers of one run; the first violation ends the run.
`raft_group_checker.py`: `RaftGroupChecker` checks each write, message and applied entry of a Raft group.
`replica_names.py`: `ReplicaNames` names the replicas of a Raft group by their stores.
`synod_group_checker.py`: `SynodGroupChecker` checks each durable state and message of a synod.
`history_recording.py`: `Recordings` collects client operations for the linearizability checker.
`state_comparison.py`: `StateComparison` compares the whole states of the replicas of a Raft group.
`state_structure.py`: turns the state of any object into tuples, and finds the first difference of two.
"""
