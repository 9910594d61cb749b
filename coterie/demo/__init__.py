"""Demo job: a cluster counts the identifiers of real source files while one of its nodes is killed.

`demo_job.py`: the job from beginning to end, in order
`demo_topology.py`: the cluster's topology in code: a replicated store, workers on every node
`source_files.py`: the input: every `.py` file under a directory
`identifier_counts.py`: counts the identifiers of one file
`coordinator.py`: the client, which sends each file to a worker until its counts are committed
`requests_by_node.py`: counts the unanswered requests of each node
`node_kill.py`: kills a node while it has work, and starts it again
`store_keys.py`: the keys under which a run keeps its counts in the store
`plain_count.py`: the same count as a program of its own, without coterie
`plain_count_process.py`: that program as a child process
`count_comparison.py`: compares the cluster's counts with the plain count
`demo_output.py`: the lines that the demo prints while it runs
`demo_report.py`: the report at the end, as text and as JSON
"""
