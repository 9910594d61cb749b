"""What happened, for people: the tail of a run, and a hash of all of it."""

from __future__ import annotations

import hashlib
from collections import deque

from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.timeline import Timeline

__all__ = ["Trace"]

TAIL_LINES = 60


class Trace:
    """Records what happens. Only with `hashed` is every record rendered; else nothing but the tail is kept.

    Records are rendered by `repr`: give it nothing whose `repr` shows an address or the order of a set.
    """

    __slots__ = ("_hash", "_tail", "_timeline")

    def __init__(self, timeline: Timeline, *, hashed: bool) -> None:
        self._timeline = timeline
        self._tail: deque[tuple[float, NodeId | None, str, object]] = deque(maxlen=TAIL_LINES)
        self._hash = hashlib.sha256() if hashed else None

    def record(self, node: NodeId | None, what: str, detail: object = None) -> None:
        """Note that `what` happened at `node` (None: to the whole group)."""
        record = (self._timeline.now, node, what, detail)
        self._tail.append(record)
        if self._hash is not None:
            self._hash.update(repr(record).encode())

    def tail(self) -> list[str]:
        """Return the last records, oldest first, one line each."""
        return [_line(*record) for record in self._tail]

    def digest(self) -> str | None:
        """Return the hash of all records (hexadecimal), None unless `hashed`."""
        return None if self._hash is None else self._hash.hexdigest()


def _line(time_s: float, node: NodeId | None, what: str, detail: object) -> str:
    line = f"{time_s:12.6f}  {node or '*':<4} {what}"
    return line if detail is None else f"{line}  {detail!r}"
