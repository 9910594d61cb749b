"""Execution: each command of a session once, whatever is repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, assert_never

from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions.session_commands import (
    Batch,
    Command,
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

__all__ = ["Machine", "Sessions"]


class Machine(Protocol):
    """A deterministic state machine: its replies and state follow from the commands and their order alone."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`, of log entry `index` (several of one batch share theirs); return the reply.

        An exception is not caught by `Sessions`: a command that cannot be done is a reply, too.
        """
        ...


class _Session:
    """One session: its mark, and the replies at or above it."""

    __slots__ = ("low_water", "reply_by_sequence")

    def __init__(self) -> None:
        self.low_water = 1
        self.reply_by_sequence: dict[int, bytes] = {}

    def raise_low_water(self, low_water: int, window: int) -> None:
        """Forget the replies below `low_water`, which is above the present mark."""
        end = self.low_water + window
        if low_water < end:
            end = low_water
        for sequence in range(self.low_water, end):
            self.reply_by_sequence.pop(sequence, None)
        self.low_water = low_water


class Sessions:
    """Wraps a `Machine` so that each session command is executed at most once, and exactly once if its client persists.

    Memory is bounded by `max_sessions` × `window` kept replies; what they weigh is the machine's doing.

    Args:
        machine: what executes the payloads.
        max_sessions: how many sessions may be open; opening one more evicts the one whose last command is furthest back
            in the log. Too low: active clients lose their sessions. Too high: memory for those that went away.
        window: how far above its low-water mark a session's sequence may be. Too low: `SessionFull` for a client with
            that many commands in flight. Too high: memory for one that never raises its mark.
        decode: `decode_command`, or one that remembers, for replicas of one process that are given the same bytes.

    Raises:
        ValueError: `max_sessions` or `window` is below 1.
    """

    def __init__(
        self,
        machine: Machine,
        *,
        max_sessions: int = 4096,
        window: int = 4096,
        decode: Callable[[bytes], Command] = decode_command,
    ) -> None:
        if max_sessions < 1 or window < 1:
            raise ValueError(f"max_sessions {max_sessions} and window {window} must be at least 1")
        self._machine = machine
        self._max_sessions = max_sessions
        self._window = window
        self._decode = decode
        self._session_by_id: dict[SessionId, _Session] = {}  # in order of last use: the first is the next to go
        self._used_last: SessionId | None = None

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._session_by_id)

    def apply(self, index: LogIndex, command: bytes) -> Reply | Replies:
        """Execute the command of log entry `index`; call it in log order. Never raises for what is in `command`."""
        try:
            decoded = self._decode(command)
        except ValueError:
            return Malformed()
        match decoded:
            case SessionCommand():
                return self._apply_in_session(index, decoded)
            case Batch(commands):
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
            session.raise_low_water(low_water, self._window)
        if sequence < session.low_water:
            return StaleCommand(session.low_water)
        reply = session.reply_by_sequence.get(sequence)
        if reply is not None:
            return Done(reply)
        if sequence >= session.low_water + self._window:
            return SessionFull(session.low_water)
        reply = session.reply_by_sequence[sequence] = self._machine.apply(index, payload)
        return Done(reply)
