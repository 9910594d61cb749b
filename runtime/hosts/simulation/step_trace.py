"""What happened, as a hash: two runs of one seed that did the same have the same digest."""

from __future__ import annotations

import hashlib

__all__ = ["Trace"]


class Trace:
    """Takes down what happens in a world, step by step.

    Args:
        is_kept: also keep the lines, for a look at where two runs part; else only their hash.
    """

    def __init__(self, *, is_kept: bool = False) -> None:
        self.lines: list[str] = []
        """What happened, in order, if it is kept."""
        self.steps = 0
        """How many lines there were."""
        self._hash = hashlib.blake2b(digest_size=16)
        self._is_kept = is_kept

    def note(self, *facts: object) -> None:
        """Take down one step. The facts' texts must be the same in every run: no addresses, no hashes."""
        line = " ".join(map(str, facts))
        self.steps += 1
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        if self._is_kept:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """32 hex digits that say what happened so far."""
        return self._hash.hexdigest()
