"""Faults at the level of protocols: the injector, and what it does to links and turns."""
