"""Peers: runs the same benchmarks on other actor systems, in the same run; one adapter module per actor system.

`erlang_peer.py`: runs the benchmarks in Erlang, one process per actor; remote ones use two Erlang nodes
`load_figures.py`: holds what another system's client has measured in a closed loop, read from a line of JSON
`peer_catalogue.py`: lists the other actor systems to compare with, and checks whether they are installed
`peer_cluster.py`: starts and ends a cluster of processes of another system, with its data in a temporary directory
`peer_process.py`: measures another actor system in a separate process, and ends that process with its children
`peer_runs.py`: measures one workload on one other actor system (the main module of the separate process)
`pykka_peer.py`: runs the local benchmarks on Pykka, where an actor is a thread with a queue
`ray_peer.py`: runs the benchmarks on Ray, where an actor is a process; the ring of 1,000 actors is left out
`tapio_peer.py`: runs the benchmarks on tapio (typed asyncio actors); remote ones use two systems over TCP
`xoscar_peer.py`: runs the benchmarks on xoscar (actors are objects in a pool); remote ones use a sub-process
`etcd/`: runs three etcd members on this machine, and loads them through etcd's own Go client, in the same run
`syncobj/`: runs three PySyncObj processes on this machine, and loads them from within
"""
