"""Exploration: runs many seeds of a scenario, and shrinks, saves and replays the failures.

Modules here use files and processes; checking, shrinking and fault plans are pure and live in `coterie.protocols`.

`scenario_discovery.py`: finds scenarios by name, coterie's own and a user's
`run_jobs.py`: one run as data; runs it here or in worker processes with a known hash seed
`seed_exploration.py`: runs seed after seed; collects results and progress
`exploration_report.py`: progress, results and failures as text and JSON
`determinism_check.py`: runs each seed twice, with different string hashes, and compares the traces
`fixed_hash_seed.py`: restarts the process with fixed string hashes
`failure_shrinking.py`: finds the smallest case that fails in the same way
`captured_log.py`: captures the log of a failing run
`failure_folder.py`: writes the files of a failure: case, plan, trace, history, charts, log and result
`saved_case.py`: a case as JSON, for replays and the corpus in `tests/corpus`
`sequence_chart.py`: draws the last messages of a trace as an SVG
`mutant_jobs.py`: the list of all mutants; runs them in one or several processes
"""
