"""`RefusedHandshakes`: records failed handshakes, and decides which to log: one a minute of each kind, and few in all.

The kind is the code of the reason (`wrong_cluster`, …), whether we dialled or accepted, and the other end: its host, or
the address that we dialled. It is not the text after the code: that may name the other end, or be chosen by it, and a
storm of clients, or a stranger, has texts without end. All that is kept is bounded, and a stranger with many addresses
causes a bounded number of warnings.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, TypeVar

from coterie.runtime.observing.printable_text import printable

if TYPE_CHECKING:
    from coterie.runtime.hosts.host import Clock

__all__ = ["REMIND_S", "TEXT_CHARS_MAX", "WARNINGS_MAX", "RefusedHandshakes"]

K = TypeVar("K")
V = TypeVar("V")

REMIND_S: Final = 60.0
"""Shortest time between two warnings of the same kind."""

WARNINGS_MAX: Final = 32
"""The most warnings in `REMIND_S`, of all kinds together."""

TEXT_CHARS_MAX: Final = 600
"""What is kept of the text of a failure."""

_LATEST: Final = 16
_KINDS_MAX: Final = 256

_Kind = tuple[str, str]
"""The other end, a host or the address that we dialled, and the code of the reason."""


class RefusedHandshakes:
    """Records the failed handshakes of one system."""

    __slots__ = ("_clock", "_last_logged", "_latest", "_warned_s")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: dict[_Kind, str] = {}
        self._last_logged: dict[_Kind, tuple[float, int]] = {}  # (time of the last warning, number since)
        self._warned_s: deque[float] = deque(maxlen=WARNINGS_MAX)

    def __str__(self) -> str:
        """Return the latest failures, one of each kind, printable."""
        return "; ".join(self._latest.values())

    @property
    def latest(self) -> tuple[str, ...]:
        """The latest failures, one of each kind, printable: the address, the code of the reason, and its text."""
        return tuple(self._latest.values())

    def note(self, address: str, reason: str, *, is_dialled: bool = False) -> int:
        """Record a failure; return how many failures a warning now stands for, 0: do not warn yet.

        Accepted connections of one host that fail for one reason count together: each comes from another port.

        Args:
            address: `host:port` of the other end.
            reason: a code, a colon, and a text that may be chosen by the other end.
            is_dialled: we dialled that address; else the connection was accepted.
        """
        kind = (address if is_dialled else address.rpartition(":")[0], reason.partition(":")[0])
        _put_last(self._latest, kind, printable(f"{address}: {reason}", TEXT_CHARS_MAX), _LATEST)
        now = self._clock.monotonic()
        logged_s, unlogged = self._last_logged.get(kind, (now - REMIND_S, 0))
        is_due = now - logged_s >= REMIND_S and self._may_warn(now)
        _put_last(self._last_logged, kind, (now, 0) if is_due else (logged_s, unlogged + 1), _KINDS_MAX)
        if is_due:
            self._warned_s.append(now)
        return unlogged + 1 if is_due else 0

    def _may_warn(self, now: float) -> bool:
        return len(self._warned_s) < WARNINGS_MAX or now - self._warned_s[0] >= REMIND_S


def _put_last(known: dict[K, V], key: K, value: V, most: int) -> None:
    """Put `key` last; delete the first entry if there are more than `most`."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]
