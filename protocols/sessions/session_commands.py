"""Session commands: define the client commands that a log entry may contain, and encode and decode them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType

from coterie.protocols.sessions.length_prefixed import join_parts, split_parts

__all__ = [
    "Command",
    "CommandBatch",
    "OpenSession",
    "Plain",
    "SessionCommand",
    "SessionId",
    "decode_command",
    "encode_batch",
    "encode_open_session",
    "encode_plain",
    "encode_session_command",
    "opens_session",
]

SessionId = NewType("SessionId", int)
"""The index of the log entry that opened the session."""

# The first byte of a command. Numbers are durable: never reuse one.
_PLAIN, _OPEN, _SESSION, _BATCH = range(4)

_NONCE = struct.Struct(">BQ")
_NUMBERS = struct.Struct(">BQQQ")


@dataclass(frozen=True, slots=True)
class Plain:
    """A command outside sessions: executed as often as it is in the log. For reads and idempotent commands."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Open a session. `nonce` distinguishes openings in a log or trace; each copy opens a separate session."""

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
class CommandBatch:
    """Several commands in one log entry, each with its own encoding; executed in this order, answered together.

    They are independent: the failure of one does not affect the next. A batch contains neither batches nor
    `OpenSession` (the id of a session is the index of the entry that opened it).
    """

    commands: list[bytes]


Command = Plain | OpenSession | SessionCommand | CommandBatch


def encode_plain(payload: bytes) -> bytes:
    """Encode a `Plain` command."""
    return bytes((_PLAIN,)) + payload


def encode_open_session(nonce: int) -> bytes:
    """Encode an `OpenSession`. ValueError unless `nonce` is in 0 … 2**64-1."""
    try:
        return _NONCE.pack(_OPEN, nonce)
    except struct.error as error:
        raise ValueError(f"nonce {nonce} does not fit into 64 bits") from error


def encode_session_command(session: SessionId, sequence: int, low_water: int, payload: bytes) -> bytes:
    """Encode a `SessionCommand`. ValueError unless each number is in 0 … 2**64-1."""
    try:
        return _NUMBERS.pack(_SESSION, session, sequence, low_water) + payload
    except struct.error as error:
        raise ValueError(f"session {session}, sequence {sequence}, low water {low_water}: not 64-bit") from error


def encode_batch(commands: Sequence[bytes]) -> bytes:
    """Encode a `CommandBatch` of encoded commands."""
    return join_parts(_BATCH, commands)


def opens_session(command: bytes) -> bool:
    """Return whether an encoded command opens a session; such a command must not be in a batch."""
    return command[0] == _OPEN if command else False


def decode_command(data: bytes) -> Command:
    """Decode the output of the encoders above. ValueError for anything else."""
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
        return CommandBatch(split_parts(data))
    if kind == _PLAIN:
        return Plain(data[1:])
    raise ValueError(f"no command has the kind {kind}")
