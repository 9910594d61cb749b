"""Session commands: define the client commands that a log entry may contain, and encode and decode them.

The first byte of an encoded command is its kind. It stands for the format, too: another form of a command gets another
number, and no number is used again.

    Plain           kind 0, payload
    OpenSession     kind 1, nonce (16 bytes), owner (up to 512 bytes)
    SessionCommand  kind 2, session (16 bytes), sequence, low-water mark (64 bits each, big-endian), payload
    CommandBatch    kind 3, a length-prefixed list of commands
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, NewType

from coterie.protocols.sessions.length_prefixed import join_parts, part_lengths, split_parts

__all__ = [
    "SESSION_ID_BYTES",
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
    "is_batch",
    "machine_commands",
    "opening_of",
    "opens_session",
    "without_commands",
]

SessionId = NewType("SessionId", bytes)
"""16 bytes that no other session of any group has, and that only its opener knows: see `Deduplication`."""

SESSION_ID_BYTES: Final = 16
"""The length of a `SessionId`, and of the nonce that opens a session."""

OWNER_BYTES_MAX: Final = 512
"""The longest owner of a session: that of a client's name in UTF-8."""

# The first byte of a command. Numbers are durable: never reuse one.
_PLAIN, _OPEN, _SESSION, _BATCH = range(4)
_OPEN_BYTE = bytes((_OPEN,))
_BATCH_BYTE = bytes((_BATCH,))

NO_COMMAND: Final = (0, 0)

_HEADER = struct.Struct(f">B{SESSION_ID_BYTES}sQQ")
_HEADER_BYTES: Final = _HEADER.size
_OPENING_BYTES: Final = 1 + SESSION_ID_BYTES


@dataclass(frozen=True, slots=True)
class Plain:
    """A command outside sessions: executed as often as it is in the log. For reads and idempotent commands."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Open a session, or return the one that this nonce has opened, while it is open: a retried opening opens one.

    `nonce`: 16 random bytes of the opener, drawn anew for each session. `owner`: who opens it; the leader puts it in,
    whatever the opener sent. Sessions of one owner make room for each other first: see `Deduplication`.
    """

    nonce: bytes
    owner: bytes = b""


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
    `OpenSession` (the index of its entry is part of a session's id).
    """

    commands: list[bytes]


Command = Plain | OpenSession | SessionCommand | CommandBatch


def encode_plain(payload: bytes) -> bytes:
    """Encode a `Plain` command."""
    return bytes((_PLAIN,)) + payload


def encode_open_session(nonce: bytes, owner: bytes = b"") -> bytes:
    """Encode an `OpenSession`. ValueError unless `nonce` has 16 bytes, and `owner` at most `OWNER_BYTES_MAX`."""
    if len(nonce) != SESSION_ID_BYTES:
        raise ValueError(f"the nonce of a session has {SESSION_ID_BYTES} bytes, this one has {len(nonce)}")
    if len(owner) > OWNER_BYTES_MAX:
        raise ValueError(f"the owner of a session has at most {OWNER_BYTES_MAX} bytes, this one has {len(owner)}")
    return _OPEN_BYTE + nonce + owner


def opening_of(owner: bytes, command: bytes) -> bytes:
    """Return an encoded command as it may stand in the log: if it opens a session, as an opening of `owner`."""
    if not opens_session(command) or len(command) < _OPENING_BYTES:  # what is too short is refused when it is applied
        return command
    return encode_open_session(command[1:_OPENING_BYTES], owner)


def encode_session_command(session: SessionId, sequence: int, low_water: int, payload: bytes) -> bytes:
    """Encode a `SessionCommand`. ValueError unless the session's id has 16 bytes and each number is in 0 … 2**64-1."""
    if len(session) != SESSION_ID_BYTES:  # `struct` would cut or pad it silently
        raise ValueError(f"the id of a session has {SESSION_ID_BYTES} bytes, this one has {len(session)}")
    try:
        return _HEADER.pack(_SESSION, session, sequence, low_water) + payload
    except struct.error as error:
        raise ValueError(f"sequence {sequence}, low water {low_water}: not 64-bit") from error


def encode_batch(commands: Sequence[bytes]) -> bytes:
    """Encode a `CommandBatch` of encoded commands."""
    return join_parts(_BATCH, commands)


def opens_session(command: bytes) -> bool:
    """Return whether an encoded command opens a session; such a command must not be in a batch."""
    return command[0] == _OPEN if command else False


def is_batch(data: bytes) -> bool:
    """Return whether an encoded command is a batch, even of one command."""
    return data[:1] == _BATCH_BYTE


def machine_commands(data: bytes) -> list[tuple[int, int]]:
    """Return where the machine's own commands begin and end in an encoded command, in the order of its batch.

    A part that has none begins and ends at 0. Nothing is copied: this is for a look at each command on its way.
    """
    if not is_batch(data):
        return [_machine_command(data, 0, len(data))]
    try:
        at, lengths = part_lengths(data)
    except ValueError:
        return [NO_COMMAND]
    if at + sum(lengths) != len(data):
        return [NO_COMMAND]
    found = []
    for length in lengths:
        end = at + length
        # Inlined from `_machine_command`: a busy leader looks at tens of thousands a second.
        is_usual = length >= _HEADER_BYTES and data[at] == _SESSION
        found.append((at + _HEADER_BYTES, end) if is_usual else _machine_command(data, at, length))
        at = end
    return found


def _machine_command(data: bytes, at: int, length: int) -> tuple[int, int]:
    kind = data[at] if length else None
    if kind == _SESSION and length >= _HEADER_BYTES:
        return at + _HEADER_BYTES, at + length
    return (at + 1, at + length) if kind == _PLAIN else NO_COMMAND


def without_commands(data: bytes, positions: Collection[int]) -> bytes | None:
    """Return an encoded batch, or lone command, without the commands at these positions; None if none is left."""
    if not is_batch(data):
        return None if 0 in positions else data
    kept = [part for at, part in enumerate(split_parts(data)) if at not in positions]
    return encode_batch(kept) if kept else None


def decode_command(data: bytes) -> Command:
    """Decode the output of the encoders above. ValueError for anything else."""
    kind = data[0] if data else None
    if kind == _SESSION:
        try:
            _, session, sequence, low_water = _HEADER.unpack_from(data)
        except struct.error as error:
            raise _wrong_size(kind, data) from error
        return tuple.__new__(SessionCommand, (session, sequence, low_water, data[_HEADER_BYTES:]))
    if kind == _BATCH:
        return CommandBatch(split_parts(data))
    if kind == _PLAIN:
        return Plain(data[1:])
    if kind == _OPEN:
        if not _OPENING_BYTES <= len(data) <= _OPENING_BYTES + OWNER_BYTES_MAX:
            raise _wrong_size(kind, data)
        return OpenSession(data[1:_OPENING_BYTES], data[_OPENING_BYTES:])
    raise ValueError(f"no command has the kind {kind}")


def _wrong_size(kind: int | None, data: bytes) -> ValueError:
    return ValueError(f"a command of kind {kind} cannot have {len(data)} bytes")
