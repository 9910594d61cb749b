"""Where the judges of one run sit: they are told when it is, and the first violation is the end of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from coterie.protocols.checking.violation import Bench, Violation

__all__ = ["Stand"]

T = TypeVar("T")


class Stand:
    """Hears what judges have to say, at the right moment, and until the first of them objects.

    Args:
        now: the world's time (s).
        steps: how many steps the world has made.
        fail: ends the run.
    """

    def __init__(self, now: Callable[[], float], steps: Callable[[], int], fail: Callable[[Violation], None]) -> None:
        self.bench = Bench()
        """The bench of all judges of this run."""
        self._now = now
        self._steps = steps
        self._fail = fail
        self._is_over = False

    def hear(self, judge: Callable[..., object], *facts: object) -> None:
        """Call `judge(*facts)`. An objection does not come out here: what is judged must not notice."""
        if self._is_over:
            return
        self.bench.time_s, self.bench.step = self._now(), self._steps()
        try:
            judge(*facts)
        except Violation as violation:
            self._is_over = True
            self._fail(violation)
