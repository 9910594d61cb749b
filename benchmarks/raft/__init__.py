"""Raft benchmarks: measure replicated writes and failover on node processes.

`beside/`: measures writes and failovers of coterie and of other replicated stores, in turn
`closed_loop.py`: runs clients that each send a command when the last is acknowledged, and measures latencies
`compaction/`: measures restarts, disk, memory and latencies of nodes that take snapshots
`connection_storm.py`: measures how soon a killed node rejoins while clients take every file that they may
`large_reads.py`: measures 400 concurrent reads of 500 kB from one group, and what they cost its leader
`raft_cluster.py`: runs three or five node processes with a replicated key-value store, durable logs and fsync
`raft_failover.py`: measures the time from a signal that kills or stops the leader to the next acknowledged write
`raft_floor.py`: does the work of `raft_put` in bare Python, without Raft, actors or checks: the least possible cost
`raft_get.py`: measures linearizable and stale reads per second, and what they cost as entries of the log
`raft_put.py`: measures durable, replicated writes per second, and the latency of a write
`raft_steady.py`: counts leader changes during 60 s of writes by 256 clients, with default time-outs
`storm_clients.py`: dials a cluster from many clients at once
`storm_strangers.py`: opens many connections to a cluster that say nothing
`stranger_storm.py`: measures how soon a killed node rejoins while strangers dial and stay
"""
