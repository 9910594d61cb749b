"""Scenarios: run Raft or single-decree Paxos with simulated clients, faults and checkers, and return the results.

`protocol_clients.py`: `ProtocolClient`, simulates a client that sends one command at a time.
`protocol_scenarios.py`: `Scenario`, the interface of a test run under faults; `SCENARIOS`, lists Raft's and Synod's.
`raft_run.py`: `RaftRun`, runs one Raft group with clients under faults.
`raft_scenario.py`: `RaftScenario`, draws a plan for Raft from a seed and runs it.
`random_changes.py`: `RandomChanges`, draws changes of the members of a simulated group.
`random_configs.py`: `draw_config`, draws the settings of a simulated Raft group.
`random_foundings.py`: draws where the logs of a simulated group begin, and what it knows of its stores.
`random_quorums.py`: `draw_quorum`, draws the quorum system of a simulated group.
`random_room.py`: `RandomRoom`, lets the disks of a simulated group have no room for commands now and then.
`run_result.py`: `RunResult`, the result of one seed's run; `Summary`, the combined result of many seeds.
`synod_run.py`: `SynodRun`, runs single-decree Paxos once under faults.
`synod_scenario.py`: `SynodScenario`, runs single-decree Paxos many times for one seed.
"""
