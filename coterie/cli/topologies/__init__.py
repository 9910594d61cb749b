"""Topologies: loads the topology that a command is given, with an error for each way in which that fails.

`topology_argument.py`: adds the argument `module:topology` and the option `--traceback`, and loads the topology
"""
