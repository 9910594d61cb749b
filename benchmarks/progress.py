"""A line on stderr that says what is being measured now: on a terminal it replaces itself."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]

_PLAIN_INTERVAL_S = 10.0


class Progress:
    """Says what goes on. Where stderr is no terminal: a line now and then only."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._said_s = time.monotonic()

    def say(self, text: str) -> None:
        """Show what is being done now."""
        now_s = time.monotonic()
        if self._is_terminal:
            print(f"\r\033[K  {text}", end="", file=sys.stderr, flush=True)
        elif now_s - self._said_s >= _PLAIN_INTERVAL_S:
            print(f"  {text}", file=sys.stderr, flush=True)
            self._said_s = now_s

    def clear(self) -> None:
        """Take the line away."""
        if self._is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
