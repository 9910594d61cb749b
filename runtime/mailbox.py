"""A mailbox: three lanes, bounded, first in first out per lane.

Control (timer ticks, notices) is bounded by construction: one tick per timer, one notice per watch. Consensus and
bulk hold at most `capacity` messages each; what does not fit is refused, or waits outside if it was offered. Queues
are made when first needed: an idle actor has none.
"""

from __future__ import annotations

import asyncio
import collections

from coterie.errors import AskError
from coterie.runtime.lanes import Lane

__all__ = ["Mailbox"]

Queue = collections.deque[object]


class Mailbox:
    """What waits for one actor."""

    __slots__ = ("_offers", "bulk", "capacity", "consensus", "control", "high_water")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.control: Queue | None = None
        self.consensus: Queue | None = None
        self.bulk: Queue | None = None
        self.high_water = 0
        self._offers: dict[Lane, dict[asyncio.Future[None], object]] | None = None

    def put(self, item: object, lane: Lane) -> bool:
        """Take `item` if there is room in its lane; return whether there was."""
        queue = self.bulk if lane is Lane.BULK else self.consensus
        if queue is None:
            if self.is_closed:
                return False
            queue = self._make(lane)
        if len(queue) >= self.capacity:
            return False
        queue.append(item)
        return True

    def put_control(self, item: object) -> None:
        """Take a timer tick or a notice."""
        if self.control is None:
            self.control = collections.deque()
        self.control.append(item)

    def wait_with(self, item: object, lane: Lane, room: asyncio.Future[None]) -> None:
        """Keep an offered `item` outside until there is room for it; then `room` is done and it is inside.

        An offer whose `room` is cancelled is forgotten at once.
        """
        if self._offers is None:
            self._offers = {}
        waiting = self._offers.setdefault(lane, {})
        waiting[room] = item
        room.add_done_callback(lambda room: waiting.pop(room, None))

    def take(self) -> object | None:
        """Return the next message of the consensus lane, or else of the bulk lane; None if there is none."""
        if self.consensus:
            item = self.consensus.popleft()
            lane = Lane.CONSENSUS
        elif self.bulk:
            item = self.bulk.popleft()
            lane = Lane.BULK
        else:
            return None
        if self._offers:
            self._let_in(lane)
        return item

    def close(self, error: AskError) -> list[object]:
        """Refuse everything from now on; fail the offers that wait; return what was inside."""
        self.capacity = -1
        left = [*(self.consensus or ()), *(self.bulk or ())]
        self.control = self.consensus = self.bulk = None
        offers, self._offers = self._offers or {}, None
        for room in [room for waiting in offers.values() for room in waiting]:
            if not room.done():
                room.set_exception(error)
                room.exception()  # an offerer who does not look is not warned
        return left

    def note_depth(self) -> None:
        """Remember how deep it has been."""
        depth = len(self.bulk or ()) + len(self.consensus or ())
        self.high_water = max(self.high_water, depth)

    @property
    def is_closed(self) -> bool:
        """Whether it refuses everything."""
        return self.capacity < 0

    @property
    def has_urgent(self) -> bool:
        """Whether control or consensus mail waits."""
        return bool(self.control or self.consensus)

    @property
    def has_any(self) -> bool:
        """Whether any mail waits."""
        return bool(self.bulk or self.control or self.consensus)

    def __len__(self) -> int:
        return len(self.bulk or ()) + len(self.consensus or ()) + len(self.control or ())

    def _make(self, lane: Lane) -> Queue:
        queue: Queue = collections.deque()
        if lane is Lane.BULK:
            self.bulk = queue
        else:
            self.consensus = queue
        return queue

    def _let_in(self, lane: Lane) -> None:
        """Take the offers that found room in `lane`, first come first served: a tell finds none before them."""
        waiting = (self._offers or {}).get(lane)
        while waiting:
            room = next(iter(waiting))
            if not room.done() and not self.put(waiting[room], lane):
                return
            del waiting[room]
            if not room.done():
                room.set_result(None)
