"""`RefusedHandshakes`: records failed handshakes, and decides which to log: one a minute for each host and reason.

The reason is its code (`wrong_cluster`, …): the text after it may name the other end, and a storm of clients has names
without end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from coterie.runtime.hosts.host import Clock

__all__ = ["REMIND_S", "RefusedHandshakes"]

K = TypeVar("K")
V = TypeVar("V")

REMIND_S: Final = 60.0
"""Shortest time between two warnings about the same host and reason."""

_LATEST: Final = 16
_KINDS_MAX: Final = 256


class RefusedHandshakes:
    """Records the failed handshakes of one system."""

    __slots__ = ("_clock", "_last_logged", "_latest")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: dict[str, None] = {}
        self._last_logged: dict[
            tuple[str, str], tuple[float, int]
        ] = {}  # (time of the last warning, number since) by (host, reason)

    def __str__(self) -> str:
        """Return the latest failures, each address and reason once."""
        return "; ".join(self._latest)

    def note(self, address: str, reason: str) -> int:
        """Record a failure; return how many failures a warning now stands for, 0: do not warn yet.

        Failures of one host for one reason count together: each connection comes from another port.
        """
        _put_last(self._latest, f"{address}: {reason}", None, _LATEST)
        kind = (address.rpartition(":")[0], reason.partition(":")[0])
        now = self._clock.monotonic()
        logged_s, unlogged = self._last_logged.get(kind, (now - REMIND_S, 0))
        is_due = now - logged_s >= REMIND_S
        _put_last(self._last_logged, kind, (now, 0) if is_due else (logged_s, unlogged + 1), _KINDS_MAX)
        return unlogged + 1 if is_due else 0


def _put_last(known: dict[K, V], key: K, value: V, most: int) -> None:
    """Put `key` last; delete the first entry if there are more than `most`."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
