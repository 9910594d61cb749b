"""`Deduplication`: executes each command of a client session once, and answers repeated copies with the stored reply.

A client that gets no reply must retry, and then its command may be in the log twice. So a client opens a session and
numbers its commands 1, 2, 3, …; the first copy in the log is executed and its reply stored, every other copy gets the
stored reply. Commands may be in flight together and arrive in any order.

    sequence   1 … │ low_water ………………………………………… low_water + session_window - 1 │ …
               stale │ executed once, reply stored │ not seen yet              │ full

Each command carries the client's low-water mark: the client has the replies of all commands below it and will not
repeat them, so those replies are dropped. A copy that arrives below the mark is answered `StaleCommand`, one of a
session that is unknown or was evicted `UnknownSession`: an error, never a second execution. Only the log decides, so
all replicas decide alike.

An opening may be repeated, too: its nonce gives the same session as long as that is open. After the session was
evicted, a late copy of the opening must not bring it back, empty: copies of its commands would be executed again. So
the id depends on the index of the entry that opened it:

    id = the first 16 bytes of sha256(group incarnation, nonce, index)

No id is given twice: indexes do not repeat within an incarnation of a group, and its nonce makes that of others differ.
Without the nonce, which only the opener and the replicas know, an id cannot be guessed.

Exactly once is decided here, by `Deduplication._apply_in_session`. The client numbers its commands in
`actors/groups/client_session.py`, retries them under the same number in `actors/groups/leader_router.py`, and
turns the replies into results or errors in `actors/groups/group_client.py`.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions.session_commands import (
    SESSION_ID_BYTES,
    Command,
    CommandBatch,
    OpenSession,
    Plain,
    SessionCommand,
    SessionId,
    decode_command,
)
from coterie.protocols.sessions.session_replies import (
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    StaleCommand,
    TooLarge,
    UnknownSession,
)

__all__ = ["Deduplication", "Machine"]

_INDEX = struct.Struct(">Q")

KEPT_REPLY_BYTES: Final = 4 * 1024 * 1024
"""The longest reply that a session keeps. A rule of the format level: it must be the same on all replicas."""


class Machine(Protocol):
    """A deterministic state machine: its replies and state follow from the commands and their order alone."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command` of log entry `index` (the commands of a batch share it); return the reply.

        `Deduplication` catches no exception: a command that cannot be executed must return a reply, too.
        """
        ...


class _Session:
    """One session: the nonce that opened it, its low-water mark, and the replies at or above it."""

    __slots__ = ("low_water", "nonce", "reply_by_sequence")

    def __init__(self, nonce: bytes) -> None:
        self.nonce = nonce
        self.low_water = 1
        self.reply_by_sequence: dict[int, bytes | TooLarge] = {}

    def raise_low_water(self, low_water: int, session_window: int) -> None:
        """Drop the replies below `low_water`, which is above the present mark."""
        end = self.low_water + session_window
        if low_water < end:
            end = low_water
        for sequence in range(self.low_water, end):
            self.reply_by_sequence.pop(sequence, None)
        self.low_water = low_water


class Deduplication:
    """Wraps a `Machine` so that each session command is executed at most once, and exactly once if its client retries.

    Memory is bounded by `max_sessions` × `session_window` stored replies of up to `KEPT_REPLY_BYTES`: of a longer one
    only the size is kept, and a copy of its command is answered `TooLarge`.

    Args:
        machine: executes the payloads.
        incarnation: 16 bytes that distinguish this life of the group from all others, of this and of other groups.
        max_sessions: how many sessions may be open; opening one more evicts the least recently used one, in log order.
            Too low: active clients lose their sessions. Too high: memory for clients that are gone.
        session_window: how many sequences a session accepts from its low-water mark on. Too low: `SessionFull` for a
            client with that many commands in flight. Too high: memory for one that never raises its mark.
        decode: `decode_command`, or a caching version, for replicas in one process that decode the same bytes.

    Raises:
        ValueError: `max_sessions` or `session_window` is below 1, or `incarnation` has not 16 bytes.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        incarnation: bytes,
        max_sessions: int = 4096,
        session_window: int = 4096,
        decode: Callable[[bytes], Command] = decode_command,
    ) -> None:
        if max_sessions < 1 or session_window < 1:
            raise ValueError(f"max_sessions {max_sessions} and session_window {session_window} must be at least 1")
        if len(incarnation) != INCARNATION_BYTES:
            raise ValueError(f"an incarnation has {INCARNATION_BYTES} bytes, this one has {len(incarnation)}")
        self._machine = machine
        self._incarnation = incarnation
        self._max_sessions = max_sessions
        self._session_window = session_window
        self._decode = decode
        self._session_by_id: dict[SessionId, _Session] = {}  # in order of last use: the first is evicted next
        self._id_by_nonce: dict[bytes, SessionId] = {}
        self._used_last: SessionId | None = None

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._session_by_id)

    def apply(self, index: LogIndex, command: bytes) -> Reply | Replies:
        """Execute the command of log entry `index`; call it in log order. Malformed commands do not raise."""
        try:
            decoded = self._decode(command)
        except ValueError:
            return Malformed()
        match decoded:
            case SessionCommand():
                return self._apply_in_session(index, decoded)
            case CommandBatch(commands):
                return Replies([self._apply_of_batch(index, each) for each in commands])
            case OpenSession(nonce):
                return self._open(index, nonce)
            case Plain(payload):
                return Done(self._machine.apply(index, payload))
            case _:
                assert_never(decoded)

    def _apply_of_batch(self, index: LogIndex, command: bytes) -> Reply:
        try:
            decoded = self._decode(command)
        except ValueError:
            return Malformed()
        if type(decoded) is SessionCommand:
            return self._apply_in_session(index, decoded)
        if type(decoded) is Plain:
            return Done(self._machine.apply(index, decoded.payload))
        return Malformed()

    def _open(self, index: LogIndex, nonce: bytes) -> Opened:
        session = self._id_by_nonce.get(nonce)
        if session is not None:
            self._use(session)
            return Opened(session)
        if len(self._session_by_id) >= self._max_sessions:
            self._evict(next(iter(self._session_by_id)))
        session = self._id_by_nonce[nonce] = self._new_id(index, nonce)
        self._session_by_id[session] = _Session(nonce)
        self._used_last = session
        return Opened(session)

    def _new_id(self, index: LogIndex, nonce: bytes) -> SessionId:
        digest = hashlib.sha256(self._incarnation + nonce + _INDEX.pack(index)).digest()
        return SessionId(digest[:SESSION_ID_BYTES])

    def _evict(self, session: SessionId) -> None:
        del self._id_by_nonce[self._session_by_id.pop(session).nonce]

    def _use(self, session: SessionId) -> None:
        """Move a session to the end: used last, evicted last."""
        if session != self._used_last:
            self._session_by_id[session] = self._session_by_id.pop(session)
            self._used_last = session

    def _apply_in_session(self, index: LogIndex, command: SessionCommand) -> Reply:
        number, sequence, low_water, payload = command
        session = self._session_by_id.get(number)
        if session is None:
            return UnknownSession()
        if number != self._used_last:
            self._use(number)
        if low_water > session.low_water:
            session.raise_low_water(low_water, self._session_window)
        if sequence < session.low_water:
            return StaleCommand(session.low_water)
        kept = session.reply_by_sequence.get(sequence)
        if kept is not None:
            return kept if isinstance(kept, TooLarge) else Done(kept)
        if sequence >= session.low_water + self._session_window:
            return SessionFull(session.low_water)
        reply = self._machine.apply(index, payload)
        is_kept = len(reply) <= KEPT_REPLY_BYTES
        session.reply_by_sequence[sequence] = reply if is_kept else TooLarge(len(reply), KEPT_REPLY_BYTES)
        return Done(reply)
