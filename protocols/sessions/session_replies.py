"""Session replies: define the results of session commands, and encode and decode them, also within a limit of bytes.

Replies travel together, in one answer to a batch. If they are too long for it, the answer has a marker in place of each
one that does not fit. Every caller still learns its own outcome, because a marker says that its command was executed:

    Withheld   it fits into an answer with fewer replies: repeat the command under the same identity
    TooLarge   it fits into no answer

Of a batch that would take too much time or memory the first commands are executed; each other one is `Deferred`.

The leader alone may refuse a command of a batch before it is in the log: the answer has `NotActive` in its place.

The first byte of an encoded reply is its kind, and stands for the format as that of a command does.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, assert_never

from coterie.protocols.sessions.length_prefixed import join_parts, joined_bytes, split_parts
from coterie.protocols.sessions.session_commands import SESSION_ID_BYTES, SessionId

__all__ = [
    "BatchReply",
    "Deferred",
    "Done",
    "Malformed",
    "NotActive",
    "Opened",
    "Replies",
    "Reply",
    "SentReply",
    "SessionFull",
    "StaleCommand",
    "TooLarge",
    "UnknownSession",
    "Withheld",
    "decode_replies",
    "decode_reply",
    "encode_reply",
    "fit_reply",
    "with_refusals",
]

# The first byte of a reply. Numbers are on the wire: never reuse one.
_DONE, _OPENED, _STALE, _UNKNOWN, _FULL, _MALFORMED, _REPLIES, _WITHHELD, _TOO_LARGE, _NOT_ACTIVE, _DEFERRED = range(11)
_DONE_BYTE = bytes((_DONE,))
_OPENED_BYTE = bytes((_OPENED,))

_KIND_AND_NUMBER = struct.Struct(">BQ")
_KIND_AND_SIZE = struct.Struct(">BI")
_KIND_AND_SIZES = struct.Struct(">BII")
_SIZE_MAX: Final = 2**32 - 1


class Done(NamedTuple):
    """The command was executed, now or earlier; `payload` is the reply of the machine at that time."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The session is open."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class StaleCommand:
    """The client no longer needs replies below `low_water`: whether this command was executed is unknown."""

    low_water: int


@dataclass(frozen=True, slots=True)
class UnknownSession:
    """The session does not exist (any more): whether this command was executed is unknown."""


@dataclass(frozen=True, slots=True)
class SessionFull:
    """The session keeps too much above its `low_water`: not executed by this copy; another one may be, later."""

    low_water: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes are not a valid command: no copy of them is ever executed by code of this format."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The command was executed; its reply of `size_bytes` exceeds `max_bytes`: of an answer, or kept by a session."""

    size_bytes: int
    max_bytes: int


Reply = Done | Opened | StaleCommand | UnknownSession | SessionFull | Malformed | TooLarge
"""The result of one command."""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Those before it in its batch took all there is for one: not executed by this copy; send it again."""


BatchReply = Reply | Deferred
"""The result of one command of a batch."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The results of the commands of a `CommandBatch`, in their order."""

    replies: list[BatchReply]


@dataclass(frozen=True, slots=True)
class Withheld:
    """The command was executed; its reply of `size_bytes` did not fit into this answer, it fits into a shorter one."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class NotActive:
    """The command was not put into the log, because the group's schema does not have it (yet); `text` says why."""

    text: str


_BARE: Final[Mapping[int | None, BatchReply]] = {
    _UNKNOWN: UnknownSession(),
    _MALFORMED: Malformed(),
    _DEFERRED: Deferred(),
}

SentReply = BatchReply | Withheld | NotActive
"""What an answer holds for one command: its reply, or a marker in place of it."""


def encode_reply(reply: BatchReply | Replies) -> bytes:
    """Encode `reply`."""
    match reply:
        case Done(payload):
            return _DONE_BYTE + payload
        case Replies(replies):
            # Inlined from the case above: every replica encodes the replies to tens of thousands of commands a second.
            # A payload is copied once, into the whole: it may have megabytes.
            parts = [each[0] if type(each) is Done else encode_reply(each) for each in replies]
            heads = [_DONE_BYTE if type(each) is Done else b"" for each in replies]
            return join_parts(_REPLIES, parts, heads)
        case Opened(session):
            return _OPENED_BYTE + session
        case StaleCommand(number):
            return _KIND_AND_NUMBER.pack(_STALE, number)
        case SessionFull(number):
            return _KIND_AND_NUMBER.pack(_FULL, number)
        case UnknownSession():
            return bytes((_UNKNOWN,))
        case Malformed():
            return bytes((_MALFORMED,))
        case Deferred():
            return bytes((_DEFERRED,))
        case TooLarge(size_bytes, max_bytes):
            return _too_large(size_bytes, max_bytes)
        case _:
            assert_never(reply)


def with_refusals(encoded: bytes | None, refusals: Mapping[int, NotActive], *, is_batch: bool) -> bytes:
    """Return the answer to a command of which parts were refused (by position), and the others answered by `encoded`.

    `is_batch`: whether it was a batch; if not, it was refused as a whole. None: nothing was left to be answered.
    """
    if not is_batch:
        return _encode_refusal(refusals[0])
    parts = [] if encoded is None else split_parts(encoded)
    for at in sorted(refusals):
        parts.insert(at, _encode_refusal(refusals[at]))
    return join_parts(_REPLIES, parts)


def _encode_refusal(refusal: NotActive) -> bytes:
    return bytes((_NOT_ACTIVE,)) + refusal.text.encode(errors="backslashreplace")


def fit_reply(encoded: bytes, max_bytes: int, room_bytes: int | None = None) -> bytes:
    """Return an encoded reply in at most `max_bytes`, with a marker in place of each reply that does not fit.

    `room_bytes`: what there is room for now, if that is less: a reply that needs more is `Withheld`, not `TooLarge`.
    The first ones are kept. If not even the markers fit, the result is longer: a batch takes up to 13 bytes a command.
    """
    room_bytes = max_bytes if room_bytes is None else min(max_bytes, room_bytes)
    if len(encoded) <= room_bytes:
        return encoded
    if encoded[0] != _REPLIES:
        return _shortest(encoded, max_bytes)
    return join_parts(_REPLIES, _fitted(split_parts(encoded), max_bytes, room_bytes))


def _fitted(parts: list[bytes], max_bytes: int, room_bytes: int) -> list[bytes]:
    """Return `parts` with markers in place of those for which there is no room, first come, first served."""
    shortest = [_shortest(part, max_bytes) for part in parts]
    size = joined_bytes(shortest)
    fitted = []
    for part, short in zip(parts, shortest, strict=True):
        more = len(part) - len(short)
        is_kept = len(part) <= max_bytes and size + more <= room_bytes
        fitted.append(part if is_kept else short)
        size += more if is_kept else 0
    return fitted


def _shortest(part: bytes, max_bytes: int) -> bytes:
    """Return the marker for the reply to an executed command; `part` itself if it is another reply, or as short."""
    marker = _marker(len(part), max_bytes)
    return marker if part[:1] == _DONE_BYTE and len(marker) < len(part) else part


def _marker(size_bytes: int, max_bytes: int) -> bytes:
    if size_bytes <= max_bytes:
        return _KIND_AND_SIZE.pack(_WITHHELD, min(size_bytes, _SIZE_MAX))
    return _too_large(size_bytes, max_bytes)


def _too_large(size_bytes: int, max_bytes: int) -> bytes:
    return _KIND_AND_SIZES.pack(_TOO_LARGE, min(size_bytes, _SIZE_MAX), max(0, min(max_bytes, _SIZE_MAX)))


def decode_reply(data: bytes) -> SentReply:
    """Decode what an answer holds for one command. ValueError for anything else."""
    kind = data[0] if data else None
    if kind == _DONE:
        return Done(data[1:])
    try:
        return _decode_other(kind, data)
    except struct.error as error:
        raise _wrong_size(kind, data) from error


def _decode_other(kind: int | None, data: bytes) -> SentReply:
    if kind in _BARE and len(data) == 1:
        return _BARE[kind]
    if kind == _OPENED and len(data) == 1 + SESSION_ID_BYTES:
        return Opened(SessionId(data[1:]))
    if kind in (_STALE, _FULL):
        number: int = _KIND_AND_NUMBER.unpack(data)[1]
        return StaleCommand(number) if kind == _STALE else SessionFull(number)
    if kind == _NOT_ACTIVE:
        return NotActive(data[1:].decode())
    if kind == _WITHHELD:
        return Withheld(_KIND_AND_SIZE.unpack(data)[1])
    if kind == _TOO_LARGE:
        return TooLarge(*_KIND_AND_SIZES.unpack(data)[1:])
    raise _wrong_size(kind, data)


def _wrong_size(kind: int | None, data: bytes) -> ValueError:
    return ValueError(f"no reply has the kind {kind} and {len(data)} bytes")


def decode_replies(data: bytes) -> list[SentReply]:
    """Decode the answer to a batch. ValueError for anything else."""
    if data[:1] != bytes((_REPLIES,)):
        raise ValueError(f"replies to a batch have the kind {_REPLIES}, these have the kind {data[:1]!r}")
    return [decode_reply(each) for each in split_parts(data)]
