"""Prequal: probing to reduce queuing and latency (Wydrowski et al., NSDI 2024), the caller's and the server's part.

`latency_by_load.py`: `LatencyByLoad`, the server's estimate of the latency of a request that arrives now
"""
