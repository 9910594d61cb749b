"""Log: keeps what a node knows about its log beside the entries: their terms and the log time.

`log_clock.py`: `LogClock`, gives entries their stamps.
`term_runs.py`: `TermRuns`, keeps the term of every entry as runs of equal terms.
"""
