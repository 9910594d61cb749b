"""Beside: measures writes and failovers of coterie and of other replicated stores, alternately on one machine.

`failover_beside.py`: measures the time from SIGKILL of the leader to the next acknowledged write, of coterie and others
`failover_beside_etcd.py`: does so beside etcd
`failover_beside_pysyncobj.py`: does so beside PySyncObj
`raft_beside.py`: measures operations per second of coterie and of other replicated stores, alternately on one machine
`raft_beside_etcd.py`: measures durable writes and linearizable reads per second beside etcd
`raft_beside_pysyncobj.py`: measures replicated writes per second beside PySyncObj, which does not sync
"""
