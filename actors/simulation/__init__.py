"""Whole clusters in one seeded world: the simulation of a topology, its faults, its judges.

    sites.py        sometimes("site"): users' own rare branches, drawn from the seed
    recording.py    what clients ask and are told, written down for the judges
    stand.py        where the judges of one run sit
    raft_watch.py   the judge of a Raft group beside its actors; synod_watch.py likewise
    node.py         one node: it lives, crashes, pauses, and lives again on its disk
    simulation.py   Simulation: a topology, its clients, its faults in one world
    injector.py     carries a plan of faults out
    scenario.py     a program in a simulation as the explorer runs it, seed by seed

It is imported module by module: `sometimes` must cost a production program nothing.
"""

__all__: list[str] = []
