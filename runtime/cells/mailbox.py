"""`Mailbox`: queues the messages that wait for one actor, in three bounded first-in-first-out lanes by priority.

The control lane (timer ticks, notices) is bounded by construction: one tick per timer, one notice per watch. The
consensus and bulk lanes hold at most `capacity` messages each. Queues are made at the first use: an idle actor has
none.

Overflow is decided here: `put` and `queue_offer` say whether there is room, `Overflow` is the policy. It is carried out
in `Cell.tell`, `ask` and `offer` (`drop_old` in `Cell._enqueue`) and in `undeliverable.refuse` (error or dead letter).
"""

from __future__ import annotations

import asyncio
import collections
import enum
import sys
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from coterie.errors import AskError
from coterie.runtime.messages.delivery_options import WrappedMessage
from coterie.runtime.messages.lanes import Lane

if TYPE_CHECKING:
    from coterie.runtime.messages.delivery_options import DeliveryOptions

__all__ = ["NO_QUEUE", "OFFERS_MAX", "Mailbox", "Overflow"]

Queue = collections.deque[object]


OFFERS_MAX: Final = 10_000
"""The most offers that wait for room in one lane; further ones are refused."""


class Overflow(enum.Enum):
    """The policy for a message whose lane is full. An ask that is refused or dropped gets a `MailboxFullError`."""

    FAIL = "fail"
    """The message is refused: a tell becomes a dead letter (`mailbox_full`), an offer waits for room. The default.
    The log says which actor refuses, and how many (`mailbox.overflowed`); with the other policies it does not."""

    DROP_NEW = "drop_new"
    """The message is dropped: a tell becomes a dead letter with the reason `dropped`; no overflow event."""

    DROP_OLD = "drop_old"
    """The oldest message of the lane is dropped and counted as a dead letter to make room."""


class _NoQueue(Queue):
    """Stands for a queue that is not made yet: it is empty for readers and full for writers."""

    def __len__(self) -> int:
        return sys.maxsize

    def __bool__(self) -> bool:
        return False


NO_QUEUE: Final = _NoQueue()
"""The bulk lane of a mailbox that never had a bulk message, or is closed. Nothing is ever added to it."""


class Mailbox:
    """The messages that wait for one actor. `refused`: how many found no room, or were dropped to make some."""

    __slots__ = ("_latest", "_offers", "bulk", "capacity", "consensus", "control", "high_water", "refused")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.bulk: Queue = NO_QUEUE
        self.consensus: Queue | None = None
        self.control: Queue | None = None
        self.high_water = 0
        self.refused = 0
        self._offers: dict[Lane, dict[asyncio.Future[None], object]] | None = None
        self._latest: dict[Hashable, WrappedMessage] | None = None

    def put(self, item: object, lane: Lane) -> bool:
        """Enqueue `item` if its lane has room; return True if it had."""
        if self.is_sealed:
            return False
        queue = self._queue(lane)
        if len(queue) >= self.capacity:
            return False
        queue.append(item)
        return True

    def put_control(self, item: object) -> None:
        """Enqueue a timer tick or a notice."""
        if self.control is None:
            self.control = collections.deque()
        self.control.append(item)

    def wrap(self, message: object, options: DeliveryOptions, now: float) -> WrappedMessage | None:
        """Wrap a message with delivery options; None if it has replaced a waiting message with the same key."""
        expires_at = None if options.ttl_s is None else now + options.ttl_s
        if options.key is None:
            return WrappedMessage(message, expires_at, None)
        key = options.key(message)
        waiting = None if self._latest is None else self._latest.get(key)
        if waiting is None:
            return WrappedMessage(message, expires_at, key)
        waiting.message, waiting.expires_at = message, expires_at
        return None

    def remember_latest(self, wrapped: WrappedMessage) -> None:
        """Record a wrapped message by its key, if it has one: a later message with the same key replaces it."""
        if wrapped.key is not None:
            if self._latest is None:
                self._latest = {}
            self._latest[wrapped.key] = wrapped

    def unwrap(self, wrapped: WrappedMessage) -> object:
        """Return the message that was wrapped; later messages no longer replace it."""
        if wrapped.key is not None and self._latest is not None:
            self._latest.pop(wrapped.key, None)
        return wrapped.message

    def put_first(self, items: list[object]) -> None:
        """Put `items` at the front of the bulk lane, even if it is full."""
        self._queue(Lane.BULK).extendleft(reversed(items))

    def drop_oldest(self, lane: Lane) -> object:
        """Remove and return the oldest item of a full lane."""
        return self._queue(lane).popleft()

    def queue_offer(self, item: object, lane: Lane, room: asyncio.Future[None]) -> bool:
        """Queue an offered `item` until its lane has room; then it is enqueued and `room` is done.

        An offer whose `room` is cancelled is dropped at once. False if `OFFERS_MAX` already wait for that lane.
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
            self._admit_offers(lane)
        return item

    def seal(self, error: AskError) -> None:
        """Refuse new messages and fail the waiting offers; messages already in a lane stay."""
        self.capacity = -1
        offers, self._offers = self._offers or {}, None
        for room in [room for waiting in offers.values() for room in waiting]:
            if not room.done():
                room.set_exception(error)
                room.exception()  # marks it as retrieved: asyncio must not warn a caller that ignores the future

    def close(self, error: AskError) -> list[object]:
        """Refuse new messages, fail the waiting offers, and return the messages that were in the bounded lanes."""
        self.seal(error)
        left = [*(self.consensus or ()), *(self.bulk or ())]
        self.control = self.consensus = None
        self.bulk = NO_QUEUE
        self._latest = None
        return left

    def filter_control(self, is_kept: Callable[[object], bool]) -> None:
        """Remove the entries of the control lane for which `is_kept` returns False."""
        if self.control:
            self.control = collections.deque(entry for entry in self.control if is_kept(entry))

    @property
    def depth(self) -> int:
        """The number of messages in the bounded lanes."""
        bulk = self.bulk
        return (len(bulk) if bulk else 0) + len(self.consensus or ())

    @property
    def is_sealed(self) -> bool:
        """True if new messages are refused."""
        return self.capacity < 0

    @property
    def has_urgent(self) -> bool:
        """True if a control or consensus message waits."""
        return bool(self.control or self.consensus)

    @property
    def has_offers(self) -> bool:
        """True if an offer waits for room."""
        return bool(self._offers) and any((self._offers or {}).values())

    @property
    def has_any(self) -> bool:
        """True if any message waits."""
        return bool(self.bulk or self.control or self.consensus)

    def _queue(self, lane: Lane) -> Queue:
        """Return the queue of a lane; make it if needed."""
        if lane is Lane.BULK:
            if self.bulk is NO_QUEUE:
                self.bulk = collections.deque()
            return self.bulk
        if self.consensus is None:
            self.consensus = collections.deque()
        return self.consensus

    def _admit_offers(self, lane: Lane) -> None:
        """Enqueue waiting offers in order while `lane` has room: they come before any later tell."""
        waiting = (self._offers or {}).get(lane)
        while waiting:
            room = next(iter(waiting))
            if not room.done() and not self.put(waiting[room], lane):
                return
            del waiting[room]
            if not room.done():
                room.set_result(None)
