"""What a log entry asks of the state machine, and how it lies in the entry."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType

from coterie.protocols.sessions.byte_strings import join, split

__all__ = [
    "Batch",
    "Command",
    "OpenSession",
    "Plain",
    "SessionCommand",
    "SessionId",
    "batch",
    "decode_command",
    "is_opening",
    "open_session",
    "plain",
    "session_command",
]

SessionId = NewType("SessionId", int)
"""The index of the log entry that opened the session."""

# The first byte of a command. Numbers are durable: never reuse one.
_PLAIN, _OPEN, _SESSION, _BATCH = range(4)

_NONCE = struct.Struct(">BQ")
_NUMBERS = struct.Struct(">BQQQ")


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


@dataclass(frozen=True, slots=True)
class Batch:
    """Several commands in one log entry, each encoded as if it were alone; executed in this order, answered together.

    They are independent: what becomes of one is nothing to the next. A batch holds neither batches nor openings (a
    session is named after the entry that opened it).
    """

    commands: list[bytes]


Command = Plain | OpenSession | SessionCommand | Batch


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


def batch(commands: Sequence[bytes]) -> bytes:
    """Encode a `Batch` of encoded commands."""
    return join(_BATCH, commands)


def is_opening(command: bytes) -> bool:
    """Return whether an encoded command opens a session, and so must stay alone."""
    return command[0] == _OPEN if command else False


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
    if kind == _BATCH:
        return Batch(split(data))
    if kind == _PLAIN:
        return Plain(data[1:])
    raise ValueError(f"no command is of kind {kind}")
