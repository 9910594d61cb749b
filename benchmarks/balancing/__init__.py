"""Load-balancing benchmarks: measure what picks cost, and how well they balance: in theory, simulated, and real.

`balls_into_bins.py`: the fullest of n targets after n requests, for random and for d choices, against theory
`equal_servers.py`: measures how evenly each policy spreads requests over equal servers
`event_queue.py`: `EventQueue`, the virtual time of the simulated benchmarks
`key_movement.py`: keys that move if a target leaves or joins, and the imbalance, for each way to hash keys
`load_ramp.py`: compares Prequal with weighted round robin while the load rises above the allocation
`nine_rules.py`: compares the nine rules of the Prequal paper at two loads, and where Prequal loses
`paper_rules.py`: two rules that only serve to compare Prequal with
`pick_cost.py`: measures the nanoseconds of a pick, of its report and of its probes' answers, for each policy
`pool_ask.py`: measures what an ask through a pool costs, with 3 and with 100 targets
`processor_sharing.py`: `ProcessorSharing`, a simulated server whose requests share its cores
`real_hog.py`: measures how fast a node's share follows its remaining capacity when a hog comes and goes
`real_policies.py`: compares policies over four node processes of which one is slow
`simulated_fleet.py`: `Fleet`, simulated clients and servers on machines with other programs
`slow_backend.py`: counts the requests that each policy answers in time while one of 11 backends is slow
`worker_topologies.py`: the clusters of the benchmarks with real processes
"""
