"""Guards: limit what failing, new and slow targets receive, and how many extra requests a caller sends.

`guard.py`: `Guard`, the interface of wrappers: decides which targets the inner picker may pick
`slow_start.py`: `SlowStart`, gives new and recovered targets a growing share
`outlier_ejection.py`: `OutlierEjection`, leaves out targets that fail more than the others, with a panic threshold
`success_rate.py`: finds the outliers among success rates
`circuit_breaker.py`: `CircuitBreaker`, tries a failing target with one request at a time, and limits open requests
`retry_budget.py`: `RetryBudget`, limits retries to a share of the requests
`hedging.py`: `Hedging`, sends a second request if the first is slow, within a share of the requests

Wrappers compose. The order, the outermost first, and why:

    CircuitBreaker(OutlierEjection(SlowStart(BoundedLoads(HashRing()))))

* `CircuitBreaker` is strict and has the last word: inside, the panic of `OutlierEjection` would override it.
* `OutlierEjection` tells the policies inside it which target has recovered, so `SlowStart` must be inside.
* `SlowStart` rejects some choices of what is inside it; around `OutlierEjection` it would not learn of recovered ones.
* `BoundedLoads` is next to the ring: where a key overflows to must depend on nothing but the ring and the loads.

`RetryBudget` and `Hedging` are about whole requests, not about targets: the sender of the requests holds them.
"""

from coterie.protocols.balancing.guards.circuit_breaker import CircuitBreaker
from coterie.protocols.balancing.guards.hedging import Hedger, Hedging
from coterie.protocols.balancing.guards.outlier_ejection import OutlierEjection
from coterie.protocols.balancing.guards.retry_budget import RetryBudget, RetryTokens
from coterie.protocols.balancing.guards.slow_start import SlowStart

__all__ = ["CircuitBreaker", "Hedger", "Hedging", "OutlierEjection", "RetryBudget", "RetryTokens", "SlowStart"]
