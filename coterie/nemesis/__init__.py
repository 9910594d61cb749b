"""Nemesis: injects faults into real node processes and the network between them, and checks the clients' histories.

`attack.py`: runs one test: starts cluster, proxies and clients, injects the faults, checks the histories
`attacked_topology.py`: declares the cluster of a test: a replicated key-value store with lists
`process_injector.py`: injects the faults of a plan at their times
`process_faults.py`: kills, pauses, resumes and restarts node processes, and deletes their data
`role_observer.py`: finds the node in a given role, such as the leader
`unsupported_faults.py`: removes the faults of a plan that real processes do not support
`chaos_proxies.py`: runs TCP and UDP proxies between the processes, which inject network faults
`proxy_tunnel.py`: forwards one proxied connection: two sockets and two pipes
`proxy_pipe.py`: carries one direction of a proxied connection; delays, holds, corrupts or drops bytes
`datagram_relay.py`: relays the datagrams from one node to another; loses, delays, doubles or damages some
`recorded_clients.py`: runs the clients of a test, and records their operations
`attack_checks.py`: checks the clients' histories for lost writes and linearizability
`attack_report.py`: formats the result of a test as text and JSON, and saves it in files
"""
