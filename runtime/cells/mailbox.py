"""A mailbox: three lanes, bounded, first in first out per lane.

Control (timer ticks, notices) is bounded by construction: one tick per timer, one notice per watch. Consensus and
bulk hold at most `capacity` messages each; what does not fit is refused, or dropped, or waits outside if it was
offered. Queues are made when first needed: an idle actor has none.
"""

from __future__ import annotations

import asyncio
import collections
import enum
import sys
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from coterie.errors import AskError
from coterie.runtime.messages.delivery_options import Parcel
from coterie.runtime.messages.lanes import Lane

if TYPE_CHECKING:
    from coterie.runtime.messages.delivery_options import Delivery

__all__ = ["NO_QUEUE", "OFFERS_MAX", "Mailbox", "Overflow"]

Queue = collections.deque[object]


OFFERS_MAX: Final = 10_000
"""How many offers wait outside of a lane at most: whoever offers without waiting is refused in the end."""


class Overflow(enum.Enum):
    """What becomes of a message that finds its lane full. An asker always hears of it: `MailboxFullError`."""

    FAIL = "fail"
    """It is refused: a tell becomes a dead letter (`mailbox_full`), an offer waits for room. The default."""

    DROP_NEW = "drop_new"
    """It is dropped, as is to be expected: a tell is counted among the dead letters as `dropped`."""

    DROP_OLD = "drop_old"
    """The oldest of its lane is dropped and counted, and makes room for it."""


class _NoQueue(Queue):
    """A queue that was not made yet: it is empty to whoever takes, and full to whoever puts."""

    def __len__(self) -> int:
        return sys.maxsize

    def __bool__(self) -> bool:
        return False


NO_QUEUE: Final = _NoQueue()
"""The bulk lane of a mailbox that never had mail, or is closed. Nothing is ever put into it."""


class Mailbox:
    """What waits for one actor."""

    __slots__ = ("_latest", "_offers", "bulk", "capacity", "consensus", "control", "high_water")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.bulk: Queue = NO_QUEUE
        self.consensus: Queue | None = None
        self.control: Queue | None = None
        self.high_water = 0
        self._offers: dict[Lane, dict[asyncio.Future[None], object]] | None = None
        self._latest: dict[Hashable, Parcel] | None = None

    def put(self, item: object, lane: Lane) -> bool:
        """Take `item` if there is room in its lane; return whether there was."""
        if self.is_sealed:
            return False
        queue = self._queue(lane)
        if len(queue) >= self.capacity:
            return False
        queue.append(item)
        return True

    def put_control(self, item: object) -> None:
        """Take a timer tick or a notice."""
        if self.control is None:
            self.control = collections.deque()
        self.control.append(item)

    def parcel(self, message: object, delivery: Delivery, now: float) -> Parcel | None:
        """Wrap a message that says more than its lane; None if an earlier one of its key waits and was replaced."""
        expires_at = None if delivery.ttl_s is None else now + delivery.ttl_s
        if delivery.key is None:
            return Parcel(message, expires_at, None)
        key = delivery.key(message)
        waiting = None if self._latest is None else self._latest.get(key)
        if waiting is None:
            return Parcel(message, expires_at, key)
        waiting.message, waiting.expires_at = message, expires_at
        return None

    def note_latest(self, parcel: Parcel) -> None:
        """Remember that a parcel waits here, if it has a key: a later one of its key takes its place."""
        if parcel.key is not None:
            if self._latest is None:
                self._latest = {}
            self._latest[parcel.key] = parcel

    def unpack(self, parcel: Parcel) -> object:
        """Return the message of a parcel whose turn has come."""
        if parcel.key is not None and self._latest is not None:
            self._latest.pop(parcel.key, None)
        return parcel.message

    def put_back(self, items: list[object]) -> None:
        """Let `items` be the next of the bulk lane, before all others, whether there is room or not."""
        self._queue(Lane.BULK).extendleft(reversed(items))

    def drop_oldest(self, lane: Lane) -> object:
        """Take out what has waited longest in a full lane."""
        return self._queue(lane).popleft()

    def wait_with(self, item: object, lane: Lane, room: asyncio.Future[None]) -> bool:
        """Keep an offered `item` outside until there is room for it; then `room` is done and it is inside.

        An offer whose `room` is cancelled is forgotten at once. False if `OFFERS_MAX` wait for that lane already.
        """
        if self._offers is None:
            self._offers = {}
        waiting = self._offers.setdefault(lane, {})
        if len(waiting) >= OFFERS_MAX:
            return False
        waiting[room] = item
        room.add_done_callback(lambda room: waiting.pop(room, None))
        return True

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

    def seal(self, error: AskError) -> None:
        """Refuse everything new, and the offers that wait; what is inside stays."""
        self.capacity = -1
        offers, self._offers = self._offers or {}, None
        for room in [room for waiting in offers.values() for room in waiting]:
            if not room.done():
                room.set_exception(error)
                room.exception()  # an offerer who does not look is not warned

    def close(self, error: AskError) -> list[object]:
        """Refuse everything from now on; fail the offers that wait; return what was inside."""
        self.seal(error)
        left = [*(self.consensus or ()), *(self.bulk or ())]
        self.control = self.consensus = None
        self.bulk = NO_QUEUE
        self._latest = None
        return left

    def keep_control(self, does_stay: Callable[[object], bool]) -> None:
        """Forget the control mail that is not to stay."""
        if self.control:
            self.control = collections.deque(entry for entry in self.control if does_stay(entry))

    def note_depth(self) -> None:
        """Remember how deep it has been."""
        depth = self.depth
        if depth > self.high_water:
            self.high_water = depth

    @property
    def depth(self) -> int:
        """How many messages wait in the bounded lanes."""
        bulk = self.bulk
        return (len(bulk) if bulk else 0) + len(self.consensus or ())

    @property
    def is_sealed(self) -> bool:
        """Whether it refuses everything new."""
        return self.capacity < 0

    @property
    def has_urgent(self) -> bool:
        """Whether control or consensus mail waits."""
        return bool(self.control or self.consensus)

    @property
    def has_offers(self) -> bool:
        """Whether somebody waits outside."""
        return bool(self._offers) and any((self._offers or {}).values())

    @property
    def has_any(self) -> bool:
        """Whether any mail waits."""
        return bool(self.bulk or self.control or self.consensus)

    def _queue(self, lane: Lane) -> Queue:
        """Return the queue of a lane, made now if it was not yet."""
        if lane is Lane.BULK:
            if self.bulk is NO_QUEUE:
                self.bulk = collections.deque()
            return self.bulk
        if self.consensus is None:
            self.consensus = collections.deque()
        return self.consensus

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
