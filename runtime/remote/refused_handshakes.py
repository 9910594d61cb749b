"""Handshakes that failed: whoever tries again and again is told of once a minute, not each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from coterie.runtime.hosts.host import Clock

__all__ = ["REMIND_S", "Refusals"]

K = TypeVar("K")
V = TypeVar("V")

REMIND_S: Final = 60.0
"""How long the log hears no more of a host that fails again for the same reason."""

_LATEST: Final = 16
_KINDS_MAX: Final = 256


class Refusals:
    """What one system knows of handshakes that failed."""

    __slots__ = ("_clock", "_latest", "_told")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: dict[str, None] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}  # when the log last heard, and how many it has not

    def __str__(self) -> str:
        """Tell the latest, each address with each of its reasons once."""
        return "; ".join(self._latest)

    def note(self, address: str, reason: str) -> int:
        """Take note of one; return how many of its kind there were that the log should hear of now, 0: it has lately.

        Of a kind are those of one host for one reason: who connects comes from another port each time.
        """
        _renew(self._latest, f"{address}: {reason}", None, _LATEST)
        kind = (address.rpartition(":")[0], reason)
        now = self._clock.monotonic()
        told_s, untold = self._told.get(kind, (now - REMIND_S, 0))
        is_due = now - told_s >= REMIND_S
        _renew(self._told, kind, (now, 0) if is_due else (told_s, untold + 1), _KINDS_MAX)
        return untold + 1 if is_due else 0


def _renew(known: dict[K, V], key: K, value: V, most: int) -> None:
    """Put `key` last, and forget the first if there are too many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
