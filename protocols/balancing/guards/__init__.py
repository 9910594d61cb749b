"""Guards: limit what failing, new and slow targets receive, and how many extra requests a caller sends.

`retry_budget.py`: `RetryBudget`, limits retries to a share of the requests
`hedging.py`: `Hedging`, sends a second request if the first is slow, within a share of the requests
"""

from coterie.protocols.balancing.guards.hedging import Hedger, Hedging
from coterie.protocols.balancing.guards.retry_budget import RetryBudget, RetryTokens

__all__ = ["Hedger", "Hedging", "RetryBudget", "RetryTokens"]
