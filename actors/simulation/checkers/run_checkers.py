"""`RunCheckers`: calls the invariant checkers during a simulation run, and ends the run at the first violation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coterie.protocols.checking.violation import Violation, ViolationContext

__all__ = ["RunCheckers"]

T = TypeVar("T")


class RunCheckers:
    """Calls checkers with the present time and step, until the first violation.

    Args:
        now: returns the world's time (s).
        steps: returns how many steps the world has made.
        fail: ends the run with a violation.
    """

    def __init__(self, now: Callable[[], float], steps: Callable[[], int], fail: Callable[[Violation], None]) -> None:
        self.violation_context = ViolationContext()
        """The present time and step, shared by all checkers of this run."""
        self._now = now
        self._steps = steps
        self._fail = fail
        self._is_over = False

    def check(self, method: Callable[..., object], *facts: object) -> None:
        """Call `method(*facts)` of a checker. A violation is not raised here: the checked code must not notice it."""
        if self._is_over:
            return
        self.violation_context.time_s, self.violation_context.step = self._now(), self._steps()
        try:
            method(*facts)
        except Violation as violation:
            self._is_over = True
            self._fail(violation)
