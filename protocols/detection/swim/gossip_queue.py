"""`GossipQueue`: holds the records that are still to be sent on; fills packets with the least sent ones first.

Each record is sent a limited number of times, λ · ⌈log10(n + 1)⌉: enough to infect all n members with high probability
(SWIM §4.1). There is one record per member: a newer one replaces the older one, so the queue is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log10

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.swim_messages import (
    RECORD_OVERHEAD_BYTES,
    MemberRecord,
    Records,
    record_size_bytes,
)

__all__ = ["GossipQueue", "retransmit_limit"]


def retransmit_limit(multiplier: int, members: int) -> int:
    """Return how often a record is sent by each of `members` members: multiplier · ⌈log10(n + 1)⌉."""
    return multiplier * ceil(log10(members + 1))


class GossipQueue:
    """The records to send on. `_by_sends[s]` are those that were sent s times, oldest first."""

    def __init__(self) -> None:
        self._by_sends: list[dict[NodeId, MemberRecord]] = []
        self._sends: dict[NodeId, int] = {}

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._sends)

    def add(self, record: MemberRecord) -> None:
        """Add a record, to be sent as often as the limit allows; it replaces the one about the same member."""
        sends = self._sends.get(record.node)
        if sends is not None:
            del self._by_sends[sends][record.node]
        self._put(record, 0)

    def take(self, budget_bytes: int, *, limit: int) -> Records:
        """Return records that fit in `budget_bytes` together, least sent first; each is returned `limit` times."""
        if not self._sends:
            return ()
        taken: list[MemberRecord] = []
        for record in self._least_sent_first():
            size_bytes = record_size_bytes(record)
            if size_bytes <= budget_bytes:
                budget_bytes -= size_bytes
                taken.append(record)
            elif budget_bytes <= RECORD_OVERHEAD_BYTES:
                break
        for record in taken:
            self._sent(record, limit)
        return tuple(taken)

    def _least_sent_first(self) -> Iterator[MemberRecord]:
        for records in self._by_sends:
            yield from records.values()

    def _sent(self, record: MemberRecord, limit: int) -> None:
        sends = self._sends.pop(record.node)
        del self._by_sends[sends][record.node]
        if sends + 1 < limit:
            self._put(record, sends + 1)

    def _put(self, record: MemberRecord, sends: int) -> None:
        while len(self._by_sends) <= sends:
            self._by_sends.append({})
        self._by_sends[sends][record.node] = record
        self._sends[record.node] = sends
