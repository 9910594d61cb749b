"""`PoolOptions`: holds and checks the options of a caller of a pool: its policy, retry budget and hedging.

Topologies, callers of pools and balancer actors share the texts of the mistakes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from coterie.actors.pools.pool import DEFAULT_RETRY_BUDGET
from coterie.protocols.balancing import Policy, SmoothWeighted
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.settings_checks import policy_mistake

__all__ = ["PoolOptions", "option_mistakes"]


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The arguments of a caller of a pool. See `Pool` for their meaning; `balance` is its policy."""

    balance: Policy = field(default_factory=SmoothWeighted)
    retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET
    hedging: Hedging | None = None

    def replaced_by(
        self, balance: Policy | None, retry_budget: RetryBudget | None, hedging: Hedging | None
    ) -> PoolOptions:
        """Return these options, with those that are given (not None) in their place."""
        return PoolOptions(
            self.balance if balance is None else balance,
            self.retry_budget if retry_budget is None else retry_budget,
            self.hedging if hedging is None else hedging,
        )

    def mistakes(self) -> Iterator[str]:
        """Yield why each of them is not what it must be."""
        return option_mistakes("balance", self.balance, retry_budget=self.retry_budget, hedging=self.hedging)

    def refuse_others(self, pool: str, others: PoolOptions) -> None:
        """Do nothing if `others` are equal to these, with which `pool` is open.

        Raises:
            ValueError: they differ; the error names the pool, and both values of each.
        """
        names = [each.name for each in dataclasses.fields(self)]
        differing = [name for name in names if getattr(self, name) != getattr(others, name)]
        if differing:
            mine, new = (", ".join(f"{name}={getattr(it, name)!r}" for name in differing) for it in (self, others))
            raise ValueError(
                f"pool {pool!r} is open with {mine}: it cannot be opened with {new} as well; leave these arguments out,"
                " or close it first"
            )


def option_mistakes(name: str, policy: object, *, retry_budget: object, hedging: object) -> Iterator[str]:
    """Yield why each of these arguments is not what it must be; `name` is that of the policy's argument."""
    if mistake := policy_mistake(name, policy):
        yield mistake
    if not isinstance(retry_budget, RetryBudget | None):
        yield f"retry_budget={_shown(retry_budget)} is no retry budget: give its settings, for example RetryBudget()"
    if not isinstance(hedging, Hedging | None):
        yield f"hedging={_shown(hedging)} is no hedging: give its settings, for example Hedging()"


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else f"{value!r:.60}"
