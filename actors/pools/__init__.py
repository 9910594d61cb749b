"""Worker pools: sends each request to one worker in the cluster, chosen by a load-balancing policy.

`balancer_actor.py`: `BalancerActor`, passes each message on to one of its targets
`load_book.py`: `LoadBook`, keeps the latest load report of each target
`load_messages.py`: gives load reports their wire names, and defines the probe
`load_subscribers.py`: remembers which nodes get load reports with their replies
`loop_time.py`: `LoopTime`, counts the time that the event loop spends for one pool
`lost_targets.py`: `LostTargets`, remembers the targets of lost nodes for reports
`node_sampler.py`: `NodeSampler`, samples the resources of this node
`policy_errors.py`: `PolicyErrors`, counts the exceptions of a policy that do not end a request
`pool.py`: `Pool`, sends each request to a worker that a policy picks
`pool_actor.py`: `PoolActor`, supervises the workers of one node
`pool_messages.py`: defines what callers and a `PoolActor` exchange, and `Idempotent`
`pool_options.py`: `PoolOptions`, holds and checks the policy, retry budget and hedging of a caller
`pool_reports.py`: what the callers of pools on one node know of their targets
`pool_size.py`: `PoolSize`, decides when a node's part of a pool grows and shrinks
`requests/`: the parts of a `Pool`: where its targets come from, attempts, probes
`target_meter.py`: `TargetMeter`, meters the requests of one worker, and makes its load report
`worker_loads.py`: `WorkerLoads`, meters the workers of one pool, and answers probes of them
"""
