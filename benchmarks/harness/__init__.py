"""Benchmark harness: runs the work, its floors and its processes, and shows the results.

`bare_queues.py`: delivers local messages through a plain deque, without actors, as the floor (least possible cost)
`bare_wire.py`: sends MessagePack arrays over a raw socket, as the floor (least possible cost) of the remote benchmarks
`comparison.py`: measures the same work alternately in bare Python and in coterie, then in the other actor systems
`estimate.py`: says in words how long something takes, and how much of it is left
`kept_results.py`: prints each result as soon as it is known, and keeps it in the JSON file, whatever happens later
`limited_files.py`: runs a module with a lower limit of open files, as after `ulimit -n`
`measured_system.py`: runs an actor system with default settings, and fails the benchmark if a message is dropped
`pinning.py`: keeps each process on one CPU core, so that the scheduler does not influence the result
`plot.py`: draws benchmark results as bar charts, a chart per benchmark variant, or as curves, a chart per set-up
`processes.py`: starts a child process of a benchmark, measures its CPU time and memory, and ends it by its process id
`progress_line.py`: prints the current step of a benchmark on stderr; on a terminal each step overwrites the last
`results.py`: holds the measurements of one benchmark variant on one actor system, and writes them as text and JSON
`rounds.py`: sends messages in rounds, each after the last one is handled, so that no mailbox overflows
`separate_process.py`: runs one measurement in a new process, for work that leaves a large heap behind
`settings.py`: holds the number of runs, the amount of work, and the names of the other actor systems to measure
"""
