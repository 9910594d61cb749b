"""Pool requests: finds the targets of a pool, makes the attempts of a request, and sends the probes of its policy.

`target_source.py`: `TargetSource`, the interface of what knows a pool's targets; `PoolTarget`, one of them
`worker_lists.py`: `WorkerLists`, the workers that the nodes of a pool list
`fixed_targets.py`: `FixedTargets`, given refs, while they can be reached
`pool_request.py`: `PoolRequest`, makes the attempts of one request: retries and hedges
`attempt_outcome.py`: says what an error means for the policy, and whether a request may be tried again
`load_probes.py`: `LoadProbes`, sends the probes of a policy, and keeps its timer
`waiting_tells.py`: `WaitingTells`, keeps the messages that were told before the targets are known
"""
