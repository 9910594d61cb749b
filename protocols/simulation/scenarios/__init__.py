"""Scenarios of the pure algorithms: their plans, runs, clients and results.

`protocol_clients.py`: `ProtocolClient`, a closed-loop client of a replicated state machine.
`protocol_scenarios.py`: `Scenario`, the interface of all scenarios, and those of the pure algorithms by name.
`raft_run.py`: `RaftRun`, one run of Raft under faults.
`raft_scenario.py`: `RaftScenario`, draws a plan for Raft from a seed and runs it.
`run_result.py`: `RunResult`, the result of a run, and `Summary`, of many runs.
`synod_run.py`: `SynodRun`, one instance of Synod under faults.
`synod_scenario.py`: `SynodScenario`, draws a plan for many instances of Synod from a seed and runs them.
"""
