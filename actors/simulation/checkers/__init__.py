"""Checkers of whole simulated systems: they watch groups, synods, actors and clients."""
