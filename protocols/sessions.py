"""Exactly once: sessions as a pure wrapper around any state machine (Ongaro's dissertation §6.3; Raft §8).

A client that hears nothing must ask again, and then its command may be in the log twice. So a client opens a session
(its id is the index of that entry) and numbers its commands 1, 2, 3, …; the first copy in the log is executed and its
reply kept, every other copy gets the kept reply. Commands may be in flight together and arrive in any order.

    sequence   1 … │ low_water ………………………………………………… low_water + window - 1 │ …
               stale │ executed once, reply kept │ not seen yet            │ full

With each command the client says its low-water mark: it has the replies of everything below and will not ask for it
again, so those replies are dropped. A copy that arrives below the mark is answered `StaleCommand`, one of a session
that is unknown or was evicted `UnknownSession`: an error, never a second execution.

Everything here is decided by the log alone, so all replicas decide alike.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple, NewType, Protocol, assert_never

from coterie.protocols.replicated_log import LogIndex

__all__ = [
    "Command",
    "Done",
    "Machine",
    "Malformed",
    "OpenSession",
    "Opened",
    "Plain",
    "Reply",
    "SessionCommand",
    "SessionFull",
    "SessionId",
    "Sessions",
    "StaleCommand",
    "UnknownSession",
    "decode_command",
    "decode_reply",
    "encode_reply",
    "open_session",
    "plain",
    "session_command",
]

SessionId = NewType("SessionId", int)
"""The index of the log entry that opened the session."""

# The first byte of a command and of a reply. Numbers are durable: never reuse one.
_PLAIN, _OPEN, _SESSION = range(3)
_DONE, _OPENED, _STALE, _UNKNOWN, _FULL, _MALFORMED = range(6)

_NONCE = struct.Struct(">BQ")
_NUMBERS = struct.Struct(">BQQQ")
_KIND_AND_NUMBER = struct.Struct(">BQ")


class Machine(Protocol):
    """A deterministic state machine: its replies and state follow from the commands and their order alone."""

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`, the payload of log entry `index`; return the reply.

        An exception is not caught by `Sessions`: a command that cannot be done is a reply, too.
        """
        ...


# Commands.


@dataclass(frozen=True, slots=True)
class Plain:
    """A command outside sessions: executed as often as it is in the log. For reads and idempotent questions."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Open a session. `nonce` tells two openings apart in a log or a trace; every copy opens a session of its own."""

    nonce: int


class SessionCommand(NamedTuple):
    """The command `sequence` (from 1) of `session`; the client has all replies below `low_water`.

    A NamedTuple for speed, as `Entry` is.
    """

    session: SessionId
    sequence: int
    low_water: int
    payload: bytes


Command = Plain | OpenSession | SessionCommand


def plain(payload: bytes) -> bytes:
    """Encode a `Plain` command."""
    return bytes((_PLAIN,)) + payload


def open_session(nonce: int) -> bytes:
    """Encode an `OpenSession`. ValueError unless `nonce` is in 0 … 2**64-1."""
    try:
        return _NONCE.pack(_OPEN, nonce)
    except struct.error as error:
        raise ValueError(f"nonce {nonce} does not fit into 64 bits") from error


def session_command(session: SessionId, sequence: int, low_water: int, payload: bytes) -> bytes:
    """Encode a `SessionCommand`. ValueError unless each number is in 0 … 2**64-1."""
    try:
        return _NUMBERS.pack(_SESSION, session, sequence, low_water) + payload
    except struct.error as error:
        raise ValueError(f"session {session}, sequence {sequence}, low water {low_water}: not 64-bit") from error


def decode_command(data: bytes) -> Command:
    """Decode what the encoders above made. ValueError for anything else."""
    kind = data[0] if data else None
    try:
        if kind == _SESSION:
            _, session, sequence, low_water = _NUMBERS.unpack_from(data)
            return SessionCommand(SessionId(session), sequence, low_water, data[_NUMBERS.size :])
        if kind == _OPEN:
            return OpenSession(_NONCE.unpack(data)[1])
    except struct.error as error:
        raise ValueError(f"a command of kind {kind} cannot have {len(data)} bytes") from error
    if kind == _PLAIN:
        return Plain(data[1:])
    raise ValueError(f"no command is of kind {kind}")


# Replies.


class Done(NamedTuple):
    """The command was executed, now or earlier; `payload` is what the machine replied then."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class StaleCommand:
    """The client had said that it needs nothing below `low_water`: whether this was executed is forgotten."""

    low_water: int


@dataclass(frozen=True, slots=True)
class UnknownSession:
    """There is no such session, or no more: whether this was executed is forgotten."""


@dataclass(frozen=True, slots=True)
class SessionFull:
    """The sequence is too far above the session's `low_water`: definitely not executed (yet)."""

    low_water: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """These bytes are no command: definitely not executed."""


Reply = Done | Opened | StaleCommand | UnknownSession | SessionFull | Malformed


def encode_reply(reply: Reply) -> bytes:
    """Encode `reply`."""
    match reply:
        case Done(payload):
            return bytes((_DONE,)) + payload
        case Opened(number):
            return _KIND_AND_NUMBER.pack(_OPENED, number)
        case StaleCommand(number):
            return _KIND_AND_NUMBER.pack(_STALE, number)
        case SessionFull(number):
            return _KIND_AND_NUMBER.pack(_FULL, number)
        case UnknownSession():
            return bytes((_UNKNOWN,))
        case Malformed():
            return bytes((_MALFORMED,))
        case _:
            assert_never(reply)


def decode_reply(data: bytes) -> Reply:
    """Decode what `encode_reply` made. ValueError for anything else."""
    kind = data[0] if data else None
    if kind == _DONE:
        return Done(data[1:])
    if kind in (_UNKNOWN, _MALFORMED) and len(data) == 1:
        return UnknownSession() if kind == _UNKNOWN else Malformed()
    if kind in (_OPENED, _STALE, _FULL) and len(data) == _KIND_AND_NUMBER.size:
        number: int = _KIND_AND_NUMBER.unpack(data)[1]
        if kind == _OPENED:
            return Opened(SessionId(number))
        return StaleCommand(number) if kind == _STALE else SessionFull(number)
    raise ValueError(f"no reply is of kind {kind} with {len(data)} bytes")


# Execution.


class _Session:
    """One session: its mark, and the replies at or above it."""

    __slots__ = ("low_water", "reply_by_sequence")

    def __init__(self) -> None:
        self.low_water = 1
        self.reply_by_sequence: dict[int, bytes] = {}

    def raise_low_water(self, low_water: int, window: int) -> None:
        """Forget the replies below `low_water`; the mark never falls."""
        for sequence in range(self.low_water, min(low_water, self.low_water + window)):
            self.reply_by_sequence.pop(sequence, None)
        self.low_water = max(self.low_water, low_water)


class Sessions:
    """Wraps a `Machine` so that each session command is executed at most once, and exactly once if its client persists.

    Memory is bounded by `max_sessions` × `window` kept replies; what they weigh is the machine's doing.

    Args:
        machine: what executes the payloads.
        max_sessions: how many sessions may be open; opening one more evicts the one whose last command is furthest back
            in the log. Too low: active clients lose their sessions. Too high: memory for those that went away.
        window: how far above its low-water mark a session's sequence may be. Too low: `SessionFull` for a client with
            that many commands in flight. Too high: memory for one that never raises its mark.

    Raises:
        ValueError: `max_sessions` or `window` is below 1.
    """

    def __init__(self, machine: Machine, *, max_sessions: int = 4096, window: int = 4096) -> None:
        if max_sessions < 1 or window < 1:
            raise ValueError(f"max_sessions {max_sessions} and window {window} must be at least 1")
        self._machine = machine
        self._max_sessions = max_sessions
        self._window = window
        self._session_by_id: dict[SessionId, _Session] = {}  # in order of last use: the first is the next to go

    def __len__(self) -> int:
        """Return how many sessions are open."""
        return len(self._session_by_id)

    def apply(self, index: LogIndex, command: bytes) -> Reply:
        """Execute the command of log entry `index`; call it in log order. Never raises for what is in `command`."""
        try:
            decoded = decode_command(command)
        except ValueError:
            return Malformed()
        match decoded:
            case SessionCommand():
                return self._apply_in_session(index, decoded)
            case Plain(payload):
                return Done(self._machine.apply(index, payload))
            case OpenSession():
                return self._open(SessionId(index))
            case _:
                assert_never(decoded)

    def _open(self, session: SessionId) -> Opened:
        if len(self._session_by_id) >= self._max_sessions:
            del self._session_by_id[next(iter(self._session_by_id))]
        self._session_by_id[session] = _Session()
        return Opened(session)

    def _apply_in_session(self, index: LogIndex, command: SessionCommand) -> Reply:
        session = self._session_by_id.pop(command.session, None)
        if session is None:
            return UnknownSession()
        self._session_by_id[command.session] = session  # used last, evicted last
        session.raise_low_water(command.low_water, self._window)
        if command.sequence < session.low_water:
            return StaleCommand(session.low_water)
        reply = session.reply_by_sequence.get(command.sequence)
        if reply is not None:
            return Done(reply)
        if command.sequence >= session.low_water + self._window:
            return SessionFull(session.low_water)
        reply = session.reply_by_sequence[command.sequence] = self._machine.apply(index, command.payload)
        return Done(reply)
