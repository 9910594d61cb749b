"""A plan of faults, carried out on real processes: node processes killed and paused, their links bent by proxies.

Read it in this order: `run` (a run from beginning to end), `injector` (the plan), `proxies` (the network), `verdict`
(what is claimed at the end).
"""
