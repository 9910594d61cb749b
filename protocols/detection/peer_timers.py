"""`PeerTimers`: keeps one timer for each peer; to postpone it, as each heartbeat does, costs no heap operation."""

from __future__ import annotations

from heapq import heappop, heappush

from coterie.protocols.algorithm import NodeId

__all__ = ["PeerTimers"]


class PeerTimers:
    """A heap of expiry times that is corrected lazily.

    Of each peer the heap holds the earliest time for which it was armed. If the timer was postponed since, the entry is
    moved when it comes to the top: once in a time-out, not once in a heartbeat. So `earliest` may be too early.
    """

    __slots__ = ("_due_by_peer", "_heap", "_queued_by_peer")

    def __init__(self) -> None:
        self._due_by_peer: dict[NodeId, float] = {}
        self._queued_by_peer: dict[NodeId, float] = {}
        self._heap: list[tuple[float, NodeId]] = []

    @property
    def earliest(self) -> float | None:
        """No timer expires before this time (monotonic, s); None: none is armed."""
        return self._heap[0][0] if self._heap else None

    def arm(self, peer: NodeId, due: float) -> None:
        """Let the timer of `peer` expire at `due` (monotonic, s), instead of when it would have."""
        self._due_by_peer[peer] = due
        if due < self._queued_by_peer.get(peer, float("inf")):
            self._queue(peer, due)

    def postpone(self, peer: NodeId, by_s: float) -> None:
        """Let the timer of `peer`, if it has one, expire `by_s` seconds later."""
        if peer in self._due_by_peer:
            self._due_by_peer[peer] += by_s

    def disarm(self, peer: NodeId) -> None:
        """Stop the timer of `peer`, if it has one."""
        self._due_by_peer.pop(peer, None)

    def pop_expired(self, now: float) -> list[NodeId]:
        """Remove and return the peers whose timers have expired, in order of time; of equal times, in order of name."""
        expired: list[tuple[float, NodeId]] = []
        while self._heap and self._heap[0][0] <= now:
            queued, peer = heappop(self._heap)
            if queued != self._queued_by_peer.get(peer):
                continue  # it was armed for an earlier time since
            del self._queued_by_peer[peer]
            due = self._due_by_peer.get(peer)
            if due is not None and due > now:
                self._queue(peer, due)
            elif due is not None:
                del self._due_by_peer[peer]
                expired.append((due, peer))
        return [peer for _, peer in sorted(expired)]

    def _queue(self, peer: NodeId, due: float) -> None:
        self._queued_by_peer[peer] = due
        heappush(self._heap, (due, peer))
