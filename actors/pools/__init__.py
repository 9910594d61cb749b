"""Worker pools: sends each request to one worker in the cluster, chosen by a load-balancing policy.

`balancer_actor.py`: `BalancerActor`, passes each message on to one of its targets
`loads/`: load reports: workers are metered, nodes sampled, and callers informed
`lost_targets.py`: `LostTargets`, remembers the targets of lost nodes for reports
`policy_errors.py`: `PolicyErrors`, counts the exceptions of a policy that do not end a request
`pool.py`: `Pool`, sends each request to a worker that a policy picks
`pool_actor.py`: `PoolActor`, supervises the workers of one node
`pool_messages.py`: defines what callers and a `PoolActor` exchange, and `Idempotent`
`pool_options.py`: `PoolOptions`, holds and checks the policy, retry budget and hedging of a caller
`pool_reports.py`: what the callers of pools on one node know of their targets
`pool_size.py`: `PoolSize`, decides when a node's part of a pool grows and shrinks
`requests/`: the parts of a `Pool`: where its targets come from, attempts, probes
"""
