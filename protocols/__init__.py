"""The algorithms, pure: no I/O, no clock, no global randomness, no asyncio, no logging.

Every algorithm has the shape of `coterie.protocols.algorithm.Algorithm`: its whole world is its arguments and its
return value. `coterie.actors.driver` runs them live, `coterie.protocols.simulation` runs them under faults.
"""
