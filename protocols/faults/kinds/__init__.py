"""The kinds of faults, as data."""
