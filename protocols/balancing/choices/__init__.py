"""Choices: policies that pick by turn, by chance, by weight or by measured load.

`random_choice.py`: `RandomChoice`, picks at random by weight
`round_robin.py`: `RoundRobin`, picks each target in turn
`smooth_weighted.py`: `SmoothWeighted`, picks by weight, evenly spread
"""
