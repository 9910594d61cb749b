"""System simulation: runs a whole cluster with faults, clients and checkers in one process, determined by a seed.

`simulation.py`: `Simulation` deploys a topology, injects faults, runs clients and checks the result.
`deployment.py`: `Deployment` holds the nodes of a topology and the checkers of its groups.
`simulated_node.py`: `SimulatedNode` runs one node, which can crash, pause, and restart from its disk.
`simulated_client.py`: `SimulatedClient` runs a client's workload and records each operation.
`message_capture.py`: `MessageCapture` writes the messages that nodes receive into the trace.
`run_log.py`: `RunLog` keeps the trace of a run as text.
`wait_descriptions.py`: says in words for what a run waits.
`buggify.py`: `buggify("site")` enables rare branches of application code, drawn from the seed.
`faults/`: injects faults, one module for each family of faults.
`hostile/`: draws what a hostile client sends.
`checkers/`: checks the invariants of Raft groups and synods, and records client histories.
`scenarios/`: defines workloads that the explorer runs with many seeds.
`mutants/`: defines deliberate bugs that the checkers must find.

Import the modules one by one: `buggify` must cost a production program nothing.
"""

__all__: list[str] = []
