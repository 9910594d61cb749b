"""`PolicyErrors`: counts the exceptions of a policy that do not end a request, and logs the first of each method.

A policy that cannot take note of a pick or of an outcome is wrong, but the reply of the target is right: it counts.
"""

from __future__ import annotations

from collections import Counter

from coterie.runtime.system import System

__all__ = ["PolicyErrors"]


class PolicyErrors:
    """The exceptions of one pool's policy, by method.

    Args:
        system: has the log.
        pool: the pool's name.
        policy: what the log calls the policy.
    """

    def __init__(self, system: System, pool: str, policy: str) -> None:
        self._system = system
        self._pool = pool
        self._policy = policy
        self._count_by_method: Counter[str] = Counter()

    def add(self, method: str, error: Exception) -> None:
        """Count an exception that `method` has raised; log it, with its traceback, if it is the method's first."""
        self._count_by_method[method] += 1
        if self._count_by_method[method] == 1:
            facts = {"pool": self._pool, "policy": self._policy, "method": method}
            self._system.log.error("pool.policy_failed", **facts, exc_info=error)

    def __str__(self) -> str:
        """Return the counts as a sentence; "" if there are none."""
        counts = ", ".join(f"{method}: {count}" for method, count in self._count_by_method.items())
        return f"the policy has raised exceptions in {counts}" if counts else ""
