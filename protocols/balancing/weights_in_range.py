"""`weights_in_range`: scales extreme weights, so that their sums, products and quotients are finite and above 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["weights_in_range"]

LOWEST: Final = 1e-100
HIGHEST: Final = 1e100
"""Weights within these stay as they are: sums of very many, and quotients of two, are far from a float's ends."""


def weights_in_range(weights: Sequence[float]) -> list[float]:
    """Return weights of the same proportions, all within 1e-100 … 1e100; those that are already are not changed.

    Extreme ones are divided by the highest. A weight below 1e-100 of the highest counts as that: no policy could tell
    it from 0, and 0 is no weight.

    Args:
        weights: above 0 and finite.
    """
    if not weights or (min(weights) >= LOWEST and max(weights) <= HIGHEST):
        return list(weights)
    heaviest = max(weights)
    return [max(LOWEST, weight / heaviest) for weight in weights]
