"""System scenarios: defines workloads that run on whole simulated clusters under faults, and checks their results.

`system_scenario.py`: `SystemScenario` makes a function that uses `Simulation` a scenario.
`raft_kv.py`: scenario `raft-kv`: runs clients of a replicated key-value store under faults.
`synod_duels.py`: scenario `synod`: runs competing proposers in many synods.
`actors_scenario.py`: scenario `actors`: checks the runtime's guarantees while nodes fail.
`pool_scenario.py`: scenario `pools`: checks what pools and balancers promise while nodes fail.
`store_scenario.py`: scenario `store`: checks the data that the log store recovers.
`list_store.py`: `ListStore` implements the replicated state machine of `raft-kv`.
`directed_runs.py`: simulates fixed situations that random fault plans rarely reach.
`member_runs.py`: simulates nodes that return with another store or another list of members.
`past_store_runs.py`: simulates stores that go back in time.
`digest_trials.py`: lets replicas answer differently in ways that are easily overlooked.
`outcome_trials.py`: answers a client's commands at random, or ends a node in the middle of one.
`datagram_runs.py`: simulates networks that double or forge datagrams.
`hostile_runs.py`: simulates authenticated peers that say what they must not say, or more than they may.
`rights_runs.py`: simulates peers that use the refs, keys, names and numbers of others.
`compaction/`: runs groups that take snapshots all the time, and replicas that begin from them.
`members/`: changes the members of a group while it serves, and while it has faults.
`recoveries/`: rehearses groups that begin anew, after a lost quorum or from a backup.
`upgrades/`: rehearses the rollout of a new release of a state machine.
"""
