"""Chen's configurator: computes interval and margin of `ChenNFDE` from the wanted quality and the quality of the link.

Chen, Toueg, Aguilera 2002, §6.2 (the procedure of §5 with T = the detection time relative to the mean delay). Only the
loss and the variance of the delay need to be known, not its distribution: the bounds are those of the one-sided
inequality P(D - E(D) > t) ≤ V / (V + t²), so that the true quality is better. Losses must be independent.

    γ = (1 - loss) T² / (V + T²)        η ≤ min(γ · mistake duration, T)
    f(η) = η · ∏ (V + (T - jη)²) / (V + loss · (T - jη)²),  j = 1 … ⌈T/η⌉ - 1
    the largest such η with f(η) ≥ mistake recurrence;  α = T - η
"""

from __future__ import annotations

import math

from coterie.errors import CoterieError

__all__ = ["QualityUnreachable", "chen_parameters"]

_SHORTEST_INTERVAL_S = 0.001
_STEP = 0.99


class QualityUnreachable(CoterieError, ValueError):
    """No interval reaches the wanted quality on such a link: the error names the wishes and the link."""


def chen_parameters(
    *,
    detection_time_s: float,
    mistake_recurrence_s: float,
    mistake_duration_s: float,
    loss: float,
    delay_deviation_s: float,
) -> tuple[float, float]:
    """Return the longest interval η and the margin α (both s) that reach the wanted quality.

    Args:
        detection_time_s: a crash is suspected within this time plus the mean delay (s).
        mistake_recurrence_s: from one false suspicion to the next it takes at least this long on average (s); longer
            than `detection_time_s`.
        mistake_duration_s: a false suspicion lasts at most this long on average (s).
        loss: the probability that a heartbeat is lost, 0 to 1.
        delay_deviation_s: the standard deviation of the delay (s).

    Raises:
        QualityUnreachable: the link loses everything, or the interval would be below 1 ms.
        ValueError: an argument is out of range.
    """
    _check(detection_time_s, mistake_recurrence_s, mistake_duration_s, loss, delay_deviation_s)
    variance = delay_deviation_s * delay_deviation_s
    gamma = (1.0 - loss) * detection_time_s**2 / (variance + detection_time_s**2)
    longest_s = min(gamma * mistake_duration_s, detection_time_s)
    wanted_log = math.log(mistake_recurrence_s)
    interval_s = too_long_s = longest_s
    while (
        interval_s >= _SHORTEST_INTERVAL_S
        and _log_recurrence(interval_s, detection_time_s, loss, variance) < wanted_log
    ):
        interval_s, too_long_s = interval_s * _STEP, interval_s
    if interval_s < _SHORTEST_INTERVAL_S:
        raise QualityUnreachable(
            f"no interval of at least {_SHORTEST_INTERVAL_S} s detects a crash within {detection_time_s} s with a "
            f"mistake every {mistake_recurrence_s} s for at most {mistake_duration_s} s, at a loss of {loss} and a "
            f"deviation of the delay of {delay_deviation_s} s: allow a longer detection or more mistakes"
        )
    while interval_s < (middle_s := (interval_s + too_long_s) / 2) < too_long_s:
        is_reached = _log_recurrence(middle_s, detection_time_s, loss, variance) >= wanted_log
        interval_s, too_long_s = (middle_s, too_long_s) if is_reached else (interval_s, middle_s)
    return interval_s, detection_time_s - interval_s


def _log_recurrence(interval_s: float, detection_time_s: float, loss: float, variance: float) -> float:
    """Return ln f(η): a lower bound of the mean time between mistakes. In logarithms, because the product overflows."""
    total = math.log(interval_s)
    for number in range(1, math.ceil(detection_time_s / interval_s)):
        square = (detection_time_s - number * interval_s) ** 2
        if variance + loss * square == 0:
            return math.inf  # nothing is lost or late
        total += math.log((variance + square) / (variance + loss * square))
    return total


def _check(
    detection_time_s: float,
    mistake_recurrence_s: float,
    mistake_duration_s: float,
    loss: float,
    delay_deviation_s: float,
) -> None:
    if not 0 < detection_time_s < mistake_recurrence_s < math.inf:
        raise ValueError(
            f"detection_time_s ({detection_time_s}) must be above 0 and below mistake_recurrence_s "
            f"({mistake_recurrence_s})"
        )
    if not 0 < mistake_duration_s < math.inf:
        raise ValueError(f"mistake_duration_s is {mistake_duration_s}: it must be above 0 and finite")
    if not 0 <= loss <= 1:
        raise ValueError(f"loss is {loss}: it must be between 0 and 1")
    if not 0 <= delay_deviation_s < math.inf:
        raise ValueError(f"delay_deviation_s is {delay_deviation_s}: it must be at least 0 and finite")
