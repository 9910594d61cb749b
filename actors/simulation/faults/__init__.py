"""Faults of whole simulated systems: the injector, and one file for each family."""
