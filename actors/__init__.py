"""The algorithms as actors: one driver, one wire table, one thin actor per algorithm, topologies, clients."""
