"""`KeptSessions`: keeps the open sessions of a group and their replies, within limits, and ends those that go first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from coterie.protocols.sessions.session_commands import OpenSession, SessionId
from coterie.protocols.sessions.session_replies import TooLarge

__all__ = [
    "KEPT_OVERHEAD_BYTES",
    "KEPT_REPLY_BYTES",
    "STANDARD_LIMITS",
    "FrozenSession",
    "KeptLimits",
    "KeptSession",
    "KeptSessions",
    "Weight",
    "weight_by_bytes",
    "weight_by_number",
]

KEPT_REPLY_BYTES: Final = 4 * 1024 * 1024
"""The longest reply that a session keeps. A rule of the format level: it must be the same on all replicas."""

KEPT_OVERHEAD_BYTES: Final = 128
"""What a kept reply counts in addition to its length: about what it takes in memory. A rule of the format level."""


@dataclass(frozen=True, slots=True)
class KeptLimits:
    """What the sessions of a group may keep. Rules of the format level: they must be the same on all replicas.

    Attributes:
        sessions: how many may be open. Too low: clients lose theirs. Too high: memory for clients that are gone.
        session_window: how many sequences a session accepts from its low-water mark on. Too low: `SessionFull` for a
            client with that many commands in flight. Too high: memory for one that never raises its mark.
        session_bytes: how many bytes of replies a session may always keep. Too low: `SessionFull` for all clients
            while one keeps as much as it can. Too high: sessions end, since together they keep more than `all_bytes`.
        all_bytes: how many bytes of replies all sessions keep. Too low: `SessionFull` for clients that read much at
            once, or sessions that end. Too high: memory.

    Raises:
        ValueError: one of them is below 1.
    """

    sessions: int = 4096
    session_window: int = 4096
    session_bytes: int = 1024 * 1024
    all_bytes: int = 128 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be at least 1")


STANDARD_LIMITS: Final = KeptLimits()
"""The limits of the present format level."""


class FrozenSession(NamedTuple):
    """One session as it was at one moment. The replies are shared with the session until it changes."""

    number: SessionId
    opening: OpenSession
    low_water: int
    reply_by_sequence: dict[int, bytes | TooLarge]


class KeptSession:
    """One session: its opening, its low-water mark, and the replies at or above it."""

    __slots__ = ("is_shared", "kept_bytes", "low_water", "opening", "reply_by_sequence")

    def __init__(self, opening: OpenSession) -> None:
        self.opening = opening
        self.low_water = 1
        self.reply_by_sequence: dict[int, bytes | TooLarge] = {}
        self.kept_bytes = 0
        self.is_shared = False
        """Whether `reply_by_sequence` is that of a frozen session, too: it is copied before it changes."""

    def freeze(self, number: SessionId) -> FrozenSession:
        """Return the session, whose id is `number`, as it is now. Nothing is copied before it changes."""
        self.is_shared = True
        return FrozenSession(number, self.opening, self.low_water, self.reply_by_sequence)

    def keep(self, sequence: int, reply: bytes) -> int:
        """Keep the reply to a command; return how many bytes it counts."""
        if self.is_shared:
            self._copy_replies()
        size = len(reply) + KEPT_OVERHEAD_BYTES
        if size > KEPT_REPLY_BYTES + KEPT_OVERHEAD_BYTES:
            self.reply_by_sequence[sequence] = TooLarge(len(reply), KEPT_REPLY_BYTES)
            size = KEPT_OVERHEAD_BYTES
        else:
            self.reply_by_sequence[sequence] = reply
        self.kept_bytes += size
        return size

    def put_reply(self, sequence: int, reply: bytes | TooLarge) -> None:
        """Keep a reply that was kept before, in a snapshot."""
        self.reply_by_sequence[sequence] = reply
        self.kept_bytes += _counted(reply)

    def raise_low_water(self, low_water: int) -> int:
        """Drop the replies below `low_water`, which is above the present mark; return how many bytes they counted.

        It visits no more numbers than replies are kept: a client may raise its mark by any number with each command.
        """
        if self.is_shared:
            self._copy_replies()
        kept, passed = self.reply_by_sequence, self.low_water
        self.low_water = low_water
        if low_water - passed == 1:  # as mostly: clients that are busy raise it with each command
            reply = kept.pop(passed, None)  # `_counted` is inlined here
            freed = 0 if reply is None else KEPT_OVERHEAD_BYTES + (len(reply) if type(reply) is bytes else 0)
        elif low_water - passed <= len(kept):
            freed = sum(_counted(kept.pop(number)) for number in range(passed, low_water) if number in kept)
        else:
            freed = sum(_counted(kept.pop(number)) for number in list(kept) if number < low_water)
        self.kept_bytes -= freed
        return freed

    def _copy_replies(self) -> None:
        self.reply_by_sequence = self.reply_by_sequence.copy()
        self.is_shared = False


def _counted(reply: bytes | TooLarge) -> int:
    return KEPT_OVERHEAD_BYTES + (len(reply) if type(reply) is bytes else 0)


class KeptSessions:
    """The open sessions by owner, both in order of last use: the first is the one used least recently."""

    def __init__(self) -> None:
        self.by_id: dict[SessionId, KeptSession] = {}
        self.id_by_nonce: dict[bytes, SessionId] = {}
        self._by_owner: dict[bytes, dict[SessionId, KeptSession]] = {}
        self.used_last: SessionId | None = None
        """The last session of all in that order."""

    def add(self, number: SessionId, opening: OpenSession) -> None:
        """Add a session, as used last."""
        session = self.by_id[number] = KeptSession(opening)
        self.id_by_nonce[opening.nonce] = number
        self._by_owner.setdefault(opening.owner, {})[number] = session
        self.use(number)

    def freeze(self) -> list[FrozenSession]:
        """Return all sessions as they are now, by owner, both in order of last use."""
        owners = self._by_owner.values()
        return [session.freeze(number) for sessions in owners for number, session in sessions.items()]

    def put_last(self, number: SessionId, opening: OpenSession, low_water: int) -> KeptSession:
        """Add a session of a snapshot behind all others; return it.

        Raises:
            ValueError: it is there, or sessions of another owner stand between those of its own.
        """
        if number in self.by_id or opening.nonce in self.id_by_nonce:
            raise ValueError(f"the session {number.hex()} is open already")
        if opening.owner in self._by_owner and next(reversed(self._by_owner)) != opening.owner:
            raise ValueError(f"the session {number.hex()} does not stand with those of its owner")
        session = self.by_id[number] = KeptSession(opening)
        session.low_water = low_water
        self.id_by_nonce[opening.nonce] = number
        self._by_owner.setdefault(opening.owner, {})[number] = session
        return session

    def use(self, number: SessionId) -> None:
        """Move a session, and its owner, to the end."""
        owner = self.by_id[number].opening.owner
        sessions = self._by_owner[owner] = self._by_owner.pop(owner)
        sessions[number] = sessions.pop(number)
        self.used_last = number

    def evict(self, weight: Weight, excess_bytes: int = 0) -> int:
        """End the least recently used sessions of the owner whose sessions weigh most; return how many bytes they kept.

        At least one, and more until they kept `excess_bytes` or the owner has one left. If several owners weigh the
        same: of the one among them that was used least recently.
        """
        sessions = max(self._by_owner.values(), key=weight)
        freed = self._end(sessions)
        while freed < excess_bytes and len(sessions) > 1:
            freed += self._end(sessions)
        return freed

    def _end(self, sessions: dict[SessionId, KeptSession]) -> int:
        number = next(iter(sessions))
        session = sessions.pop(number)
        del self.by_id[number], self.id_by_nonce[session.opening.nonce]
        if not sessions:
            del self._by_owner[session.opening.owner]
        if number == self.used_last:
            self.used_last = None
        return session.kept_bytes


Weight = Callable[[dict[SessionId, KeptSession]], tuple[int, ...]]
"""How much the sessions of one owner count, when one has to go."""


def weight_by_number(sessions: dict[SessionId, KeptSession]) -> tuple[int, ...]:
    """Return how many sessions they are."""
    return (len(sessions),)


def weight_by_bytes(sessions: dict[SessionId, KeptSession]) -> tuple[int, ...]:
    """Return how many bytes they keep beyond the session that keeps most, and in all.

    A single session stops at what is free, so only an owner with several can use that up: it is the one to make room,
    and not an owner whose one session came first and rightly keeps more.
    """
    kept = [session.kept_bytes for session in sessions.values()]
    return sum(kept) - max(kept), sum(kept)
