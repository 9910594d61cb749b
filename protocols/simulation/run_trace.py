"""`RunTrace`: records the events of a run: keeps the last ones (or all), and computes one hash of all events."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.event_heap import EventHeap

__all__ = ["FROM", "RunTrace", "TraceLine"]

TAIL_LINES = 60

FROM = "from "
"""The prefix of an arrival's name; the sender follows."""


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One record of a trace, at any level of simulation.

    Attributes:
        at_s: the time (simulated s).
        node: the node; None if it concerns all nodes.
        what: an event's name, or `from n2` for a message that arrives from n2.
        detail: further facts as text; may be empty.
    """

    at_s: float
    node: str | None
    what: str
    detail: str = ""

    @property
    def sender(self) -> str | None:
        """The sender of the message that arrives; None if this is not an arrival."""
        return self.what.removeprefix(FROM) if self.what.startswith(FROM) else None

    def __str__(self) -> str:
        line = f"{self.at_s:12.6f}  {self.node or '*':<4} {self.what}"
        return f"{line}  {self.detail}" if self.detail else line


class RunTrace:
    """Records the events of a run. `hashed`: hash every record; `traced`: keep all records, not the last ones alone.

    Records are rendered by `repr`: do not record objects whose `repr` shows an address or the order of a set.
    """

    __slots__ = ("_hash", "_heap", "_tail")

    def __init__(self, heap: EventHeap, *, hashed: bool, traced: bool = False) -> None:
        self._heap = heap
        self._tail: deque[tuple[float, NodeId | None, str, object]] = deque(maxlen=None if traced else TAIL_LINES)
        self._hash = hashlib.sha256() if hashed else None

    def record(self, node: NodeId | None, what: str, detail: object = None) -> None:
        """Record that `what` happened at `node` (None: at the whole group)."""
        record = (self._heap.now, node, what, detail)
        self._tail.append(record)
        if self._hash is not None:
            self._hash.update(repr(record).encode())

    def tail(self) -> list[str]:
        """Return the last records, oldest first, one line each."""
        return [str(_line(*record)) for record in list(self._tail)[-TAIL_LINES:]]

    def lines(self) -> list[TraceLine]:
        """Return all records (only the last ones unless `traced`), oldest first."""
        return [_line(*record) for record in self._tail]

    def digest(self) -> str | None:
        """Return the hash of all records (hexadecimal), None unless `hashed`."""
        return None if self._hash is None else self._hash.hexdigest()


def _line(time_s: float, node: NodeId | None, what: str, detail: object) -> TraceLine:
    return TraceLine(time_s, node, what, "" if detail is None else repr(detail))
