"""Round robin: everybody in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["RoundRobin"]

T = TypeVar("T")


class RoundRobin:
    """Picks candidates in turn. Fair while the candidates stay; when they change, it goes on from where it was."""

    def __init__(self) -> None:
        self._picked = 0

    def pick(self, candidates: Sequence[T]) -> T:
        """Return the next candidate. ValueError if there is none."""
        if not candidates:
            raise ValueError("round robin has nobody to pick from")
        picked = candidates[self._picked % len(candidates)]
        self._picked += 1
        return picked
