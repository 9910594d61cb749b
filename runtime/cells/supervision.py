"""`Supervision`: defines whether and how often a failed actor is restarted (after Erlang; Armstrong's thesis §5).

`Supervision` is data, given at spawn; `RestartBudget` decides: restart after a back-off, or give up.
`LifeCycle.supervise` calls it and carries out the decision, `SiblingRestarts` does so for the siblings, and
`Cell.terminate` escalates to the parent.
"""

from __future__ import annotations

import collections
import enum
import random
from dataclasses import dataclass

__all__ = ["Restart", "RestartBudget", "Strategy", "Supervision"]


class Strategy(enum.Enum):
    """The siblings that are restarted when one child fails. An actor without a parent has no siblings."""

    ONE_FOR_ONE = "one_for_one"  # the failed child alone
    ALL_FOR_ONE = "all_for_one"  # all children of its parent
    REST_FOR_ONE = "rest_for_one"  # the failed child, and those that were spawned after it


class Restart(enum.Enum):
    """The endings after which an actor is restarted. A stop by another actor, its parent or the system is final."""

    PERMANENT = "permanent"  # after a failure, and after it stopped itself
    TRANSIENT = "transient"  # after a failure
    TEMPORARY = "temporary"  # never: a failure stops it, and does not escalate to its parent


@dataclass(frozen=True, slots=True)
class Supervision:
    """The restart policy of one actor, given at its spawn.

    `strategy`: the siblings that are restarted with it: they stop in reverse spawn order and start again in spawn
    order; those that are `temporary` stop permanently. `restart`: the endings after which it is restarted.

    `max_restarts` within `within_s` seconds (default 5 in 30 s; 0: never restart), each after a back-off of
    `backoff_min_s` doubling up to `backoff_max_s`, with ± `jitter` (a fraction) so that restarts do not synchronize.
    Too low a budget stops actors after a brief fault; too high lets a broken one restart endlessly. When it is spent
    the actor stops and, if `escalates` (default), its parent fails in its place; an actor without a parent is logged as
    `actor.gave_up`. A parent that watches its children and replaces them itself sets `escalates` to False for them:
    else one of them ends all the others.

    `ends_system`: when the budget is spent, the system fails with `ActorGaveUp`, and so a node of a topology ends: for
    an actor without which the node is of no use (an `InvariantViolated` ends it at once). False (default): the system
    goes on without it, and what asks it gets `ActorStopped`, which says so.
    """

    max_restarts: int = 5
    within_s: float = 30.0
    backoff_min_s: float = 0.01
    backoff_max_s: float = 1.0
    jitter: float = 0.2
    strategy: Strategy = Strategy.ONE_FOR_ONE
    restart: Restart = Restart.TRANSIENT
    escalates: bool = True
    ends_system: bool = False

    def __post_init__(self) -> None:
        if self.max_restarts < 0:
            raise ValueError(f"max_restarts is {self.max_restarts}: it must be 0 or more")
        if self.within_s <= 0:
            raise ValueError(f"within_s is {self.within_s}: it must be more than 0")
        if not 0 <= self.backoff_min_s <= self.backoff_max_s:
            raise ValueError(f"back-off {self.backoff_min_s} … {self.backoff_max_s} s: need 0 ≤ minimum ≤ maximum")
        if self.ends_system and self.restart is Restart.TEMPORARY:
            raise ValueError("a temporary actor has no restart budget: ends_system=True needs max_restarts=0 instead")
        if not 0 <= self.jitter < 1:
            raise ValueError(f"jitter is {self.jitter}: it must be in [0, 1)")


class RestartBudget:
    """Counts the restarts of one actor against its `Supervision`."""

    __slots__ = ("_moments", "_policy")

    def __init__(self, policy: Supervision) -> None:
        self._policy = policy
        self._moments: collections.deque[float] = collections.deque()

    def next_backoff_s(self, now: float, rng: random.Random) -> float | None:
        """Take one restart from the budget at `now` (monotonic, s); return the back-off (s), None if it is spent."""
        policy, moments = self._policy, self._moments
        while moments and moments[0] <= now - policy.within_s:
            moments.popleft()
        if len(moments) >= policy.max_restarts:
            return None
        doublings = min(len(moments), 64)  # more doublings would overflow a float; the maximum is reached long before
        backoff_s = min(policy.backoff_max_s, policy.backoff_min_s * 2.0**doublings)
        moments.append(now)
        return backoff_s * (1 + policy.jitter * (2 * rng.random() - 1))
