"""Scenarios of the pure algorithms, their runs and their outcomes."""
