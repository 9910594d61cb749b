"""`Deduplication`: executes each command of a client session once, and answers repeated copies with the stored reply.

A client that gets no reply must retry, and then its command may be in the log twice. So a client opens a session (its
id is the index of that entry) and numbers its commands 1, 2, 3, …; the first copy in the log is executed and its reply
stored, every other copy gets the stored reply. Commands may be in flight together and arrive in any order.

    sequence   1 … │ low_water ………………………………………… low_water + session_window - 1 │ …
               stale │ executed once, reply stored │ not seen yet              │ full

Each command carries the client's low-water mark: the client has the replies of all commands below it and will not
repeat them, so those replies are dropped. A copy that arrives below the mark is answered `StaleCommand`, one of a
session that is unknown or was evicted `UnknownSession`: an error, never a second execution. Only the log decides, so
all replicas decide alike.

Exactly once is decided here, by `Deduplication._apply_in_session`. The client numbers its commands in
`actors/groups/client_session.py`, retries them under the same number in `actors/groups/leader_router.py`, and
turns the replies into results or errors in `actors/groups/group_client.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions.session_commands import (
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
    UnknownSession,
)

__all__ = ["Deduplication", "Machine"]


class Machine(Protocol):
    """A deterministic state machine: its replies and state follow from the commands and their order alone."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command` of log entry `index` (the commands of a batch share it); return the reply.

        `Deduplication` catches no exception: a command that cannot be executed must return a reply, too.
        """
        ...


class _Session:
    """One session: its low-water mark, and the replies at or above it."""

    __slots__ = ("low_water", "reply_by_sequence")

    def __init__(self) -> None:
        self.low_water = 1
        self.reply_by_sequence: dict[int, bytes] = {}

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

    Memory is bounded by `max_sessions` × `session_window` stored replies; their size depends on the machine.

    Args:
        machine: executes the payloads.
        max_sessions: how many sessions may be open; opening one more evicts the least recently used one, in log order.
            Too low: active clients lose their sessions. Too high: memory for clients that are gone.
        session_window: how many sequences a session accepts from its low-water mark on. Too low: `SessionFull` for a
            client with that many commands in flight. Too high: memory for one that never raises its mark.
        decode: `decode_command`, or a caching version, for replicas in one process that decode the same bytes.

    Raises:
        ValueError: `max_sessions` or `session_window` is below 1.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        max_sessions: int = 4096,
        session_window: int = 4096,
        decode: Callable[[bytes], Command] = decode_command,
    ) -> None:
        if max_sessions < 1 or session_window < 1:
            raise ValueError(f"max_sessions {max_sessions} and session_window {session_window} must be at least 1")
        self._machine = machine
        self._max_sessions = max_sessions
        self._session_window = session_window
        self._decode = decode
        self._session_by_id: dict[SessionId, _Session] = {}  # in order of last use: the first is evicted next
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
            case OpenSession():
                return self._open(SessionId(index))
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

    def _open(self, session: SessionId) -> Opened:
        if len(self._session_by_id) >= self._max_sessions:
            del self._session_by_id[next(iter(self._session_by_id))]
        self._session_by_id[session] = _Session()
        self._used_last = session
        return Opened(session)

    def _apply_in_session(self, index: LogIndex, command: SessionCommand) -> Reply:
        number, sequence, low_water, payload = command
        session = self._session_by_id.get(number)
        if session is None:
            return UnknownSession()
        if number != self._used_last:
            self._session_by_id[number] = self._session_by_id.pop(number)  # used last, evicted last
            self._used_last = number
        if low_water > session.low_water:
            session.raise_low_water(low_water, self._session_window)
        if sequence < session.low_water:
            return StaleCommand(session.low_water)
        reply = session.reply_by_sequence.get(sequence)
        if reply is not None:
            return Done(reply)
        if sequence >= session.low_water + self._session_window:
            return SessionFull(session.low_water)
        reply = session.reply_by_sequence[sequence] = self._machine.apply(index, payload)
        return Done(reply)
