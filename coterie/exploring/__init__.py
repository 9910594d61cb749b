"""Exploration: runs a simulated scenario with many seeds, and shrinks, saves and replays the failing runs.

Modules here use files and processes; checking, shrinking and fault plans are pure and are in `coterie.protocols`.

`scenario_discovery.py`: finds scenarios by name, coterie's own and a user's
`run_jobs.py`: describes one run as data, and runs it here or in a worker process with a known hash seed
`seed_exploration.py`: runs seed after seed; collects results and progress
`exploration_report.py`: formats progress, results and failures as text and JSON
`determinism_check.py`: runs each seed twice, with different string hashes, and compares the traces
`fixed_hash_seed.py`: restarts the process with fixed string hashes
`failure_shrinking.py`: finds the smallest run that breaks the same invariant
`captured_log.py`: keeps the last log records of a run, to save them if the run fails
`failure_folder.py`: writes the files of a failure: case, plan, trace, history, charts, log and result
`saved_case.py`: saves and loads a run as JSON, for replays and the regression runs in `tests/corpus`
`sequence_chart.py`: draws the last messages of a trace as an SVG
`mutant_jobs.py`: runs the mutation tests of all mutants, in this process or in worker processes
"""
