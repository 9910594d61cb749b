"""Demo: counts the identifiers in many Python files on a cluster, kills a node meanwhile, and verifies the counts.

`demo_job.py`: runs the demo from start to end
`demo_topology.py`: declares the demo's cluster: a replicated key-value store, and workers on every node
`source_files.py`: finds the input, every `.py` file under a directory
`identifier_counts.py`: counts the identifiers of one file
`coordinator.py`: sends each file to a worker, and repeats until the file's counts are committed
`policy_names.py`: the load-balancing policies by name
`requests_by_node.py`: counts the unanswered requests of each node
`member_watch.py`: prints live which nodes are suspected, have failed, and are trusted again
`node_kill.py`: kills a node while it has work, and starts it again
`store_keys.py`: defines the keys under which a run stores its counts
`plain_count.py`: counts the same in one process, without coterie, as the expected result
`plain_count_process.py`: runs `plain_count.py` as a child process
`count_comparison.py`: compares the cluster's counts with those of `plain_count.py`
`demo_output.py`: prints events and progress while the demo runs
`demo_report.py`: holds the result, and formats it as text and as JSON
"""
