"""Scenarios on whole simulated systems."""
