"""`Progress`: prints the current step of a benchmark on stderr; on a terminal each step overwrites the last."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from benchmarks.harness.estimate import in_words, left_s

__all__ = ["Progress"]

_PLAIN_INTERVAL_S = 10.0


class Progress:
    """Prints the current step. If stderr is not a terminal: one line per 10 s at most.

    Args:
        steps: how often `show` will be called; then each line says how long the rest takes, from the steps done so far.
        monotonic: the clock, s.
    """

    def __init__(self, steps: float | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._monotonic = monotonic
        self._steps = steps
        self._shown = 0
        self._began_s = self._printed_s = monotonic()

    def show(self, text: str) -> None:
        """Show `text` as the step that begins now."""
        now_s = self._monotonic()
        line = f"  {text}{self._left(now_s)}"
        self._shown += 1
        if self._is_terminal:
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        elif now_s - self._printed_s >= _PLAIN_INTERVAL_S:
            print(line, file=sys.stderr, flush=True)
            self._printed_s = now_s

    def _left(self, now_s: float) -> str:
        seconds = None if self._steps is None else left_s(now_s - self._began_s, self._shown, self._steps)
        return "" if seconds is None else f" (about {in_words(seconds)} left)"

    def clear(self) -> None:
        """Remove the line."""
        if self._is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
