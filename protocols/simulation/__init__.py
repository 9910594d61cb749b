"""The simulator: an event heap drives the pure algorithms under faults; everything follows from one seed.

A scenario (`raft_scenario`, `synod_scenario`) sets algorithms, clients and judges into a `World` (time, network,
disks, nodes); a `Plan`, generated from the seed as data, says which faults come when. One seed is one trace.
"""
