"""Supervision: what happens to an actor that fails (after Erlang's supervisors; Armstrong's thesis §5).

`Supervision` is data, given at spawn; `RestartBudget` is the decision: restart after so long, or give up.
"""

from __future__ import annotations

import collections
import enum
import random
from dataclasses import dataclass

__all__ = ["Restart", "RestartBudget", "Strategy", "Supervision"]


class Strategy(enum.Enum):
    """Who is restarted when one of several children fails. An actor without a parent has nobody beside it."""

    ONE_FOR_ONE = "one_for_one"  # it alone
    ALL_FOR_ONE = "all_for_one"  # all children of its parent
    REST_FOR_ONE = "rest_for_one"  # it, and those that were spawned after it


class Restart(enum.Enum):
    """What an actor is restarted after. A stop by somebody else, its parent or the system is always final."""

    PERMANENT = "permanent"  # after a failure, and after it stopped itself
    TRANSIENT = "transient"  # after a failure
    TEMPORARY = "temporary"  # never: its failure is its end, and no failure of its parent


@dataclass(frozen=True, slots=True)
class Supervision:
    """What happens when one actor fails: data, given at its spawn.

    `strategy`: who else is restarted with it: they stop in the reverse order of their spawning and start again in that
    order; those that are `temporary` stop for good. `restart`: what it is restarted after.

    `max_restarts` within `within_s` seconds (default 5 in 30 s; 0: never restart), each after a back-off of
    `backoff_min_s` doubling up to `backoff_max_s`, with ± `jitter` (a fraction) so that failures do not march in step.
    Too low a budget stops actors for a hiccup; too high keeps a broken one thrashing. When it is spent the actor stops
    and its parent fails in its place (escalation); at the top the system logs `actor.gave_up` and goes on without it.
    """

    max_restarts: int = 5
    within_s: float = 30.0
    backoff_min_s: float = 0.01
    backoff_max_s: float = 1.0
    jitter: float = 0.2
    strategy: Strategy = Strategy.ONE_FOR_ONE
    restart: Restart = Restart.TRANSIENT

    def __post_init__(self) -> None:
        if self.max_restarts < 0:
            raise ValueError(f"max_restarts is {self.max_restarts}: it must be 0 or more")
        if self.within_s <= 0:
            raise ValueError(f"within_s is {self.within_s}: it must be more than 0")
        if not 0 <= self.backoff_min_s <= self.backoff_max_s:
            raise ValueError(f"back-off {self.backoff_min_s} … {self.backoff_max_s} s: need 0 ≤ minimum ≤ maximum")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}: it must be in [0, 1)")


class RestartBudget:
    """Counts the restarts of one actor against its `Supervision`."""

    __slots__ = ("_moments", "_policy")

    def __init__(self, policy: Supervision) -> None:
        self._policy = policy
        self._moments: collections.deque[float] = collections.deque()

    def next_backoff_s(self, now: float, rng: random.Random) -> float | None:
        """Take one restart out of the budget at `now` (monotonic, s): the seconds to wait, or None if it is spent."""
        policy, moments = self._policy, self._moments
        while moments and moments[0] <= now - policy.within_s:
            moments.popleft()
        if len(moments) >= policy.max_restarts:
            return None
        doublings = min(len(moments), 64)  # beyond that a float overflows long after the maximum is reached
        backoff_s = min(policy.backoff_max_s, policy.backoff_min_s * 2.0**doublings)
        moments.append(now)
        return backoff_s * (1 + policy.jitter * (2 * rng.random() - 1))
