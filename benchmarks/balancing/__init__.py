"""Balancing benchmarks: measure what picks cost, and how well they balance.

`pick_cost.py`: measures the nanoseconds of a pick, of its report and of its probes' answers, for each policy
"""
