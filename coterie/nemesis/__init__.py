"""Nemesis: injects a fault plan into real node processes and chaos proxies, and checks the clients' histories (Jepsen).

`attack.py`: one run from start to end: cluster, proxies, clients, plan, recovery, checks
`attacked_topology.py`: the topology of the cluster: a key-value store with lists
`process_injector.py`: injects the faults of a plan at their times
`process_faults.py`: kills, pauses, restarts and wipes node processes
`role_observer.py`: finds the node in a given role, such as the leader
`unsupported_faults.py`: removes the faults of a plan that real processes do not support
`chaos_proxies.py`: the proxies between the processes, and their network faults
`proxy_tunnel.py`: one proxied connection: two sockets and two pipes
`proxy_pipe.py`: one direction of a proxied connection: delays, holds, corrupts or drops bytes
`recorded_clients.py`: the clients of a run, whose operations are recorded
`attack_checks.py`: checks the histories for lost writes and linearizability
`attack_report.py`: the result of a run as text, JSON and files
"""
