"""Tail models: compute how improbable so long a silence is: `NormalTail`, `LogisticTail`, `ExponentialTail`.

    phi(t) = -log10 P(the next heartbeat comes later than t after the last one)

Phi 1 is a silence that one interval in ten exceeds, phi 8 one in a hundred million, if the model is right. Intervals
have mean μ and standard deviation σ; y = (t - μ) / σ. The models agree near μ and differ far from it: a silence of
μ + 6 σ is phi 9.0 (normal), 10.8 (logistic), or with σ = μ/4 1.09 (exponential).

Each formula is arranged such that phi grows without end: the textbook 1 - cdf(y) is 0 from y = 8.3 on, where phi would
become infinite, and exp(-y³) overflows or vanishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

__all__ = ["ExponentialTail", "LogisticTail", "NormalTail", "TailModel"]

_LN_10 = math.log(10.0)
_LOG10_SQRT_2_PI = math.log10(math.sqrt(2.0 * math.pi))
_SERIES_FROM_Y = 20.0
_SERIES_TERMS = 8
_CUBIC, _LINEAR = 0.070566, 1.5976


class TailModel(Protocol):
    """The distribution of the intervals between heartbeats. Times in s; `mean_s` and `deviation_s` are above 0."""

    def phi(self, silence_s: float, mean_s: float, deviation_s: float) -> float:
        """Return phi of a silence; it grows with it, and is finite for every silence below 1e9 s."""
        ...

    def silence_s(self, phi: float, mean_s: float, deviation_s: float) -> float:
        """Return the silence (s) at which phi is reached: the inverse of `phi`, for phi of at least 1."""
        ...


@dataclass(frozen=True, slots=True)
class NormalTail:
    """Normally distributed intervals: Hayashibara, Défago, Yared, Katayama, SRDS 2004, §4.3, without approximation.

    phi = -log10(½ erfc(y / √2)). From y = 20 on, the asymptotic series of erfc (Abramowitz and Stegun 7.1.23) is used,
    where its error is below 1e-14; erfc itself becomes 0 at y = 38.
    """

    def phi(self, silence_s: float, mean_s: float, deviation_s: float) -> float:
        """Return phi by the normal distribution."""
        return _normal_phi((silence_s - mean_s) / deviation_s)

    def silence_s(self, phi: float, mean_s: float, deviation_s: float) -> float:
        """Return μ + y σ, with y by bisection: once for each threshold, not for each heartbeat."""
        return mean_s + _normal_y(phi) * deviation_s


@dataclass(frozen=True, slots=True)
class LogisticTail:
    """The logistic approximation of the normal distribution that Akka uses.

    phi = log10(1 + exp(1.5976 y + 0.070566 y³)). It is Akka's e/(1 + e), e = exp(-y (1.5976 + 0.070566 y²)), with the
    logarithm taken first (`log1p`). Its relative error grows with y: threshold 8 is reached at y = 5.226 instead of
    5.612, so it suspects a little earlier.
    """

    def phi(self, silence_s: float, mean_s: float, deviation_s: float) -> float:
        """Return phi by the logistic approximation."""
        y = (silence_s - mean_s) / deviation_s
        exponent = y * (_LINEAR + _CUBIC * y * y)
        if exponent > 0:
            return (exponent + math.log1p(math.exp(-exponent))) / _LN_10
        return math.log1p(math.exp(exponent)) / _LN_10

    def silence_s(self, phi: float, mean_s: float, deviation_s: float) -> float:
        """Return μ + y σ, with y the real root of the cubic equation: closed form."""
        return mean_s + _logistic_y(phi) * deviation_s


@dataclass(frozen=True, slots=True)
class ExponentialTail:
    """Exponentially distributed intervals, as in Cassandra (Lakshman, Malik, LADIS 2009, §5.3): phi = t / (μ ln 10).

    It ignores σ: threshold 8 is reached at 18.4 μ, however regular the heartbeats are. Slow, and robust.
    """

    def phi(self, silence_s: float, mean_s: float, deviation_s: float) -> float:
        """Return phi by the exponential distribution."""
        return silence_s / (mean_s * _LN_10)

    def silence_s(self, phi: float, mean_s: float, deviation_s: float) -> float:
        """Return phi μ ln 10."""
        return phi * mean_s * _LN_10


def _normal_phi(y: float) -> float:
    if y < _SERIES_FROM_Y:
        return -math.log10(0.5 * math.erfc(y / math.sqrt(2.0)))
    # P = exp(-y²/2) / (y √(2π)) · (1 - 1/y² + 3/y⁴ - 15/y⁶ + …)
    series = term = 1.0
    for number in range(1, _SERIES_TERMS + 1):
        term *= -(2 * number - 1) / (y * y)
        series += term
    return y * y / (2.0 * _LN_10) + math.log10(y) + _LOG10_SQRT_2_PI - math.log10(series)


@lru_cache(maxsize=64)
def _normal_y(phi: float) -> float:
    low, high = -1.0, math.sqrt(2.0 * phi * _LN_10) + 1.0  # because P < exp(-y²/2)
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (low, middle) if _normal_phi(middle) >= phi else (middle, high)
    return high


@lru_cache(maxsize=64)
def _logistic_y(phi: float) -> float:
    exponent = phi * _LN_10 + math.log1p(-(10.0**-phi))  # ln(10^phi - 1)
    # y³ + 3 p y = 2 q has the one real root 2 √p sinh(⅓ arsinh(q / p^1.5)).
    p, q = _LINEAR / _CUBIC / 3.0, exponent / _CUBIC / 2.0
    return 2.0 * math.sqrt(p) * math.sinh(math.asinh(q / p**1.5) / 3.0)
