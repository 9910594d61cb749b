"""Scenarios on whole simulated systems.

`system_scenario.py`: `SystemScenario` makes a program on `Simulation` a scenario for the explorer.
`system_scenarios.py`: `SYSTEM_SCENARIOS` maps the names of the built-in scenarios to them.
`raft_kv.py`: scenario `raft-kv`: a replicated key-value store under faults.
`synod_duels.py`: scenario `synod`: competing proposers in many synods.
`actors_scenario.py`: scenario `actors`: the guarantees of the actor runtime between failing nodes.
`store_scenario.py`: scenario `store`: the durability of the log store.
`list_store.py`: `ListStore`, the replicated state machine of `raft-kv`.
`directed_runs.py`: directed runs of situations that random fault plans rarely reach.
"""
