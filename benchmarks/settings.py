"""How thoroughly to measure, and whom to measure beside."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]

_QUICK_DIVISOR = 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says.

    `runs`: how often each contender is measured; the median counts. `is_quick`: a thousandth of the work, once, to see
    that it runs; its figures mean nothing. `peers`: names of the other systems to measure in the same run.
    """

    runs: int = 5
    is_quick: bool = False
    peers: tuple[str, ...] = ()

    def count(self, full: int) -> int:
        """Return how many operations to do where a thorough run does `full`."""
        return max(1, full // _QUICK_DIVISOR) if self.is_quick else full

    def seconds(self, full: float) -> float:
        """Return how long to measure where a thorough run takes `full` seconds."""
        return full / 20 if self.is_quick else full
