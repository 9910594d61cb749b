"""Load-balancing benchmarks: policies against theory, and what a pick costs.

`balls_into_bins.py`: the fullest of n targets after n requests, for random and for d choices, against theory
`key_movement.py`: keys that move if a target leaves or joins, and the imbalance, for each way to hash keys
`pick_cost.py`: measures the nanoseconds of a pick, of its report and of its probes' answers, for each policy
"""
