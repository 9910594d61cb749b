"""Simulation of whole systems: a topology, its faults, checkers and clients in one seeded world.

`simulation.py`: `Simulation` deploys a topology, injects faults, runs clients and checks the result.
`deployment.py`: `Deployment` holds the nodes of a topology and the checkers of its groups.
`simulated_node.py`: `SimulatedNode` is one node through starts, crashes, pauses and restarts on its disk.
`simulated_client.py`: `SimulatedClient` is a real client whose operations are recorded.
`message_capture.py`: `MessageCapture` logs each message that arrives at a node.
`run_log.py`: `RunLog` is the readable trace of a run.
`buggify.py`: `buggify("site")` enables rare branches of application code, drawn from the seed.
`faults/`: fault injection, one module for each family of faults.
`checkers/`: invariant checkers of Raft groups and synods; recording of client histories.
`scenarios/`: programs that the explorer runs seed by seed.
`mutants/`: deliberate bugs that the checkers must find.

Import the modules one by one: `buggify` must cost a production program nothing.
"""

__all__: list[str] = []
