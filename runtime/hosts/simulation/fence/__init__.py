"""Fence: replaces or refuses calls that would leave a simulated world.

`current_life.py`: `CurrentLife`, the clock, random generator and name of the life whose code runs
`fence.py`: `Fence`, applies all patches while a world runs
`fenced_random.py`: patches of `random`, `os.urandom` and `uuid`
`fenced_time.py`: patches of `time` and `datetime`
`patches.py`: `Patch`, the replacement of one attribute, and `FencedEnvironment`, the values that patches return
`refused_calls.py`: patches that refuse threads, processes and sockets, and that sort directory listings
"""
