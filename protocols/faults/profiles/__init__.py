"""Fault profiles: define named mixtures of faults, and draw fault plans from them at random.

`fault_profiles.py`: `Profile`, and `draw_plan`, which draws a fault plan from a profile.
`hostile_recipes.py`: draws hostile clients.
`network_recipes.py`: draws faults of the network.
`node_recipes.py`: draws faults of processes, clocks, disks, actors and scheduling.
`random_draws.py`: `RandomDraws`, draws the random nodes, roles, links and durations of a fault.
"""
