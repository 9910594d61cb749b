"""Benchmarks: measures coterie against a floor, the same work in bare Python, in the same run; compare only the ratios.

The floor is the cheapest implementation of the same work in Python, without actors or Raft.

`__main__.py`: entry point: reads options, runs the chosen benchmarks, prints and saves the results
`catalogue.py`: lists the name, the description and the function of each benchmark
`compiled.py`: compares the speed of the simulated protocols in pure Python and compiled with mypyc
`hostile_fuzz.py`: sends millions of rows as an authenticated peer to three nodes, and checks what that does to them
`linearizability.py`: measures the time to check a history of 10,000 operations by ten clients on ten keys
`wire_fuzz.py`: sends millions of mutated frames to a node, and checks for crashes, wrong deliveries and memory growth
`messaging/`: measures local and remote messages, timers and the start of actors
`detection/`: measures failure detectors, in simulated time and on real processes
`balancing/`: measures what picks cost, and how well they balance
`raft/`: measures replicated writes and failover on node processes
`operations/`: measures what clients see while nodes of a group come back, go and change
`harness/`: runs the work, its floors and its processes, and shows the results
`fuzzing/`: feeds damaged and hostile bytes to a node, and hostile rows to a cluster
`peers/`: runs the same benchmarks on other actor systems, in the same run
"""
