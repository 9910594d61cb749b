"""Worker pools: sends each request to one worker in the cluster, chosen by a load-balancing policy.

`pool.py`: `Pool`, sends each request to a worker that a policy picks
`pool_actor.py`: `PoolActor`, supervises the workers of one node
`pool_messages.py`: defines what callers and a `PoolActor` exchange, and `Idempotent`
`worker_lists.py`: `WorkerLists`, keeps the lists of workers current
"""
