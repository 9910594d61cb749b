"""Log: keeps what a node knows about its log beside the entries, and brings it up to date before an election.

`log_adoption.py`: `LogAdoption`, lets a node that no quorum elects for its old log take the entries of a voter first.
`log_clock.py`: `LogClock`, gives entries their stamps.
`term_runs.py`: `TermRuns`, keeps the term of every entry as runs of equal terms.
"""
