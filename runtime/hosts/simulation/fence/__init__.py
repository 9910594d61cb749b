"""Fence: intercepts calls from a simulation to the real machine: time, random numbers, threads, processes, sockets.

`current_life.py`: `CurrentLife`, returns time, random generator and node name of the process that runs now
`fence.py`: `Fence`, applies all patches while a simulation runs
`fenced_random.py`: makes `random`, `os.urandom` and `uuid` use a seeded generator
`fenced_time.py`: makes `time` and `datetime` return simulated time
`patches.py`: `FencePatch`, replaces one attribute, and `FencedEnvironment`, supplies simulated values
`refused_calls.py`: refuses threads, processes and sockets, and sorts directory listings
"""
