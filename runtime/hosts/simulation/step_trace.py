"""`StepTrace`: records each step of a simulation in one hash (and as text, if asked to), to compare two runs."""

from __future__ import annotations

import hashlib

__all__ = ["StepTrace"]


class StepTrace:
    """Records the steps of a world.

    Args:
        keeps_lines: keep the lines too, to find where two runs differ; else only their hash.
    """

    def __init__(self, *, keeps_lines: bool = False) -> None:
        self.lines: list[str] = []
        """The recorded steps in order, if `keeps_lines`."""
        self.steps = 0
        """Number of recorded steps."""
        self._hash = hashlib.blake2b(digest_size=16)
        self._keeps_lines = keeps_lines

    def record(self, *facts: object) -> None:
        """Record one step. The text of the facts must be the same in every run: no addresses, no hashes."""
        line = " ".join(map(str, facts))
        self.steps += 1
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        if self._keeps_lines:
            self.lines.append(line)

    @property
    def digest(self) -> str:
        """Hash of the steps so far, as 32 hex digits."""
        return self._hash.hexdigest()
