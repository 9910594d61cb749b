"""Membership simulation: lets members of a large view observe each other under faults, and cuts out the crashed ones.

`cut_world.py`: `CutWorld`, runs the cut detector of a view's leader; counts views and wrong removals
"""
