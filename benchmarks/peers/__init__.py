"""Peers: other actor systems that do the same work in the same run; one adapter per module.

`erlang_peer.py`: Erlang/OTP: one process per actor, one scheduler per emulator; two nodes for the remote work
`peer_catalogue.py`: catalogue of peers: the other actor systems, and whether they are installed
`peer_process.py`: peer process: measures a peer in a separate process that ends together with its children
`peer_runs.py`: peer runs: one peer at one task
`pykka_peer.py`: Pykka: an actor is a thread with a queue; no timers, no bounded mailboxes, no remote messages
`ray_peer.py`: Ray: an actor is a process, so local and remote work are the same; too many processes for a ring of 1,000
`tapio_peer.py`: tapio: typed asyncio actors, one task each; two systems over TCP for the remote work; on uvloop
`xoscar_peer.py`: xoscar: an actor is an object in a pool, called by method; on uvloop
"""
