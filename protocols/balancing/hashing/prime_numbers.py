"""Prime numbers: tests whether a number is prime, and finds the next prime."""

from __future__ import annotations

import math

__all__ = ["is_prime", "next_prime"]


def is_prime(number: int) -> bool:
    """Return whether `number` is prime; by trial division, so for numbers below about 10 ** 12."""
    return number >= 2 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


def next_prime(number: int) -> int:
    """Return the smallest prime that is at least `number`."""
    number = max(2, number)
    while not is_prime(number):
        number += 1
    return number
