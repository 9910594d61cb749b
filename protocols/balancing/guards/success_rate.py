"""Success rates: finds the targets whose success rate is an outlier among the others'.

The rule of Envoy's outlier detection and of gRPC's (proposal A50, "success rate"): a target is an outlier if its rate
is below mean − factor × standard deviation, over the targets that had enough requests.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["success_rate_outliers"]


def success_rate_outliers(
    counts: Mapping[str, tuple[int, int]], *, factor: float, min_targets: int, min_requests: int
) -> tuple[dict[str, float], float]:
    """Return the rates (0 … 1) of the outliers, the lowest first, and the threshold; nothing if too little is known.

    Args:
        counts: (successes, requests) by target, of one interval.
        factor: how many standard deviations below the mean are too many.
        min_targets: of fewer targets the deviation means nothing.
        min_requests: targets with fewer requests do not count.
    """
    rates = {key: good / total for key, (good, total) in counts.items() if total >= max(1, min_requests)}
    if len(rates) < max(1, min_targets):
        return {}, -math.inf
    mean = math.fsum(rates.values()) / len(rates)
    deviation = math.sqrt(math.fsum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
    threshold = mean - factor * deviation
    low = sorted((rate, key) for key, rate in rates.items() if rate < threshold - 1e-12)  # equal rates: no outlier
    return {key: rate for rate, key in low}, threshold
