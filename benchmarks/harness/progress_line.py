"""`Progress`: prints the current step of a benchmark on stderr; on a terminal each step overwrites the last."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]

_PLAIN_INTERVAL_S = 10.0


class Progress:
    """Prints the current step. If stderr is not a terminal: one line per 10 s at most."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._printed_s = time.monotonic()

    def show(self, text: str) -> None:
        """Show `text` as the current step."""
        now_s = time.monotonic()
        if self._is_terminal:
            print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)
        elif now_s - self._printed_s >= _PLAIN_INTERVAL_S:
            print(f"  {text}", file=sys.stderr, flush=True)
            self._printed_s = now_s

    def clear(self) -> None:
        """Remove the line."""
        if self._is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
