"""Benchmarks: one question per file, a floor in the same run, ratios rather than digits."""
