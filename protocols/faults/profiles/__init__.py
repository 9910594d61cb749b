"""Fault profiles: named mixtures of faults, and the recipes by which faults are drawn at random.

`fault_profiles.py`: `Profile`, and `draw_plan`, which draws a fault plan from a profile.
`network_recipes.py`: recipes for faults of the network.
`node_recipes.py`: recipes for faults of processes, clocks, disks, actors and scheduling.
`random_draws.py`: `RandomDraws`, the random choices that recipes make.
"""
