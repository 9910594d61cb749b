"""What happened, for people: the tail of a run, and a hash of all of it."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.event_heap import Timeline

__all__ = ["FROM", "Trace", "TraceLine"]

TAIL_LINES = 60

FROM = "from "
"""How the name of an arrival begins; its sender follows."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One thing that happened, at any level of simulation.

    Attributes:
        at_s: when, in simulated time (s).
        node: where; None if it concerns them all.
        what: an event's name, or `from n2` for a message that arrives from there.
        detail: whatever else there is to say, rendered; may be empty.
    """

    at_s: float
    node: str | None
    what: str
    detail: str = ""

    @property
    def sender(self) -> str | None:
        """Who sent the message that arrives here; None if this is no arrival."""
        return self.what.removeprefix(FROM) if self.what.startswith(FROM) else None

    def __str__(self) -> str:
        line = f"{self.at_s:12.6f}  {self.node or '*':<4} {self.what}"
        return f"{line}  {self.detail}" if self.detail else line


class Trace:
    """Records what happens. `hashed` renders every record for the digest, `traced` keeps them all, not the tail alone.

    Records are rendered by `repr`: give it nothing whose `repr` shows an address or the order of a set.
    """

    __slots__ = ("_hash", "_tail", "_timeline")

    def __init__(self, timeline: Timeline, *, hashed: bool, traced: bool = False) -> None:
        self._timeline = timeline
        self._tail: deque[tuple[float, NodeId | None, str, object]] = deque(maxlen=None if traced else TAIL_LINES)
        self._hash = hashlib.sha256() if hashed else None

    def record(self, node: NodeId | None, what: str, detail: object = None) -> None:
        """Note that `what` happened at `node` (None: to the whole group)."""
        record = (self._timeline.now, node, what, detail)
        self._tail.append(record)
        if self._hash is not None:
            self._hash.update(repr(record).encode())

    def tail(self) -> list[str]:
        """Return the last records, oldest first, one line each."""
        return [str(_line(*record)) for record in list(self._tail)[-TAIL_LINES:]]

    def lines(self) -> list[TraceLine]:
        """Return every record (only the last ones unless `traced`), oldest first."""
        return [_line(*record) for record in self._tail]

    def digest(self) -> str | None:
        """Return the hash of all records (hexadecimal), None unless `hashed`."""
        return None if self._hash is None else self._hash.hexdigest()


def _line(time_s: float, node: NodeId | None, what: str, detail: object) -> TraceLine:
    return TraceLine(time_s, node, what, "" if detail is None else repr(detail))
