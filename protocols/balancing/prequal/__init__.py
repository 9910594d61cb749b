"""Prequal: probing to reduce queuing and latency (Wydrowski et al., NSDI 2024), the caller's and the server's part.

`prequal.py`: `Prequal`, the policy: probes in advance, and picks by requests in flight and by latency
`probe_pool.py`: `ProbePool`, the answers of probes that wait to be used: the best one, the worst one, the oldest one
`rif_distribution.py`: `RifDistribution`, the estimated distribution of the requests in flight over the targets
`probe_rates.py`: `FractionalRate` and `reuse_budget`, the probes and removals of a pick, and the uses of a probe
`latency_by_load.py`: `LatencyByLoad`, the server's estimate of the latency of a request that arrives now
"""
