"""Worker pools: sends each request to one worker in the cluster, chosen by a load-balancing policy.

`pool.py`: `Pool`, sends requests to workers, and `PoolActor`, supervises the workers of one node
"""
