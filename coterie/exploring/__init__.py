"""Looking for bugs: many seeds of a scenario, and what becomes of one that fails.

    discovery.py     names ──▶ scenarios, of coterie's own and of anybody's
    jobs.py          one run as data, carried out here or in worker processes whose hash seed is known
    exploration.py   seed after seed ──▶ verdicts, progress, what was learned so far
    determinism.py   each seed twice, in processes with different hash seeds: is the trace the same?
    reduction.py     a failure ──▶ the smallest case that fails in the same way
    kept_log.py      what a failing run logs, for its folder
    saved_case.py    a case as JSON: for replays, and for the corpus in `tests/corpus`
    run_folder.py    case, plan, trace, history, timeline, sequence chart, log and verdict of a failure, as files

What is here touches files and processes; what is judged, shrunk and planned is pure and lives in `coterie.protocols`.
"""
