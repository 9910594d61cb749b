"""Pools of workers: callers choose a worker by a load-balancing policy.

`pool.py`: `Pool`, the caller's handle, and `PoolActor`, the supervisor of one node's workers
"""
