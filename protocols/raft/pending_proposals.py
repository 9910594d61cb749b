"""`PendingProposals`: keeps the proposals that a leader has not answered yet, and limits their number and size."""

from __future__ import annotations

from collections import deque

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.replicated_log import LogIndex, Refusal, Reject

__all__ = ["PendingProposals"]


class PendingProposals:
    """The pending proposals of one leadership, in log order: each is answered exactly once, by `Apply` or `Reject`."""

    __slots__ = ("_max_bytes", "_max_entries", "_pending", "_pending_bytes")

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._pending: deque[tuple[LogIndex, int, int]] = deque()
        self._pending_bytes = 0

    def has_room(self, size_bytes: int) -> bool:
        """Return whether one more of `size_bytes` may be taken; the first always may, whatever its size."""
        if not self._pending:
            return True
        return len(self._pending) < self._max_entries and self._pending_bytes + size_bytes <= self._max_bytes

    def add(self, index: LogIndex, ref: int, size_bytes: int) -> None:
        """Record that entry `index` answers the proposal `ref`."""
        self._pending.append((index, ref, size_bytes))
        self._pending_bytes += size_bytes

    def take(self, last: LogIndex) -> dict[LogIndex, int]:
        """Remove those up to `last`, which are about to be applied; return their refs by index."""
        refs: dict[LogIndex, int] = {}
        while self._pending and self._pending[0][0] <= last:
            index, ref, size_bytes = self._pending.popleft()
            self._pending_bytes -= size_bytes
            refs[index] = ref
        return refs

    def lose(self, outbox: Outbox, leader: NodeId | None) -> None:
        """Reject all: this node no longer leads, and the next leader may or may not commit them."""
        for _, ref, _ in self._pending:
            outbox.add(Reject(ref, Refusal.LEADERSHIP_LOST, leader))
        self._pending.clear()
        self._pending_bytes = 0
