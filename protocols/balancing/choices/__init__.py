"""Choices: policies that pick by turn, by chance, by weight or by measured load.

`round_robin.py`: `RoundRobin`, picks each target in turn
"""
