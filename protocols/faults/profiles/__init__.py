"""Profiles: named mixtures of faults, and the recipes from which a seed draws them."""
