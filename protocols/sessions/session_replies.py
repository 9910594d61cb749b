"""What the session layer answers, and how it crosses the wire."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from coterie.protocols.sessions.byte_strings import join, split
from coterie.protocols.sessions.session_commands import SessionId

__all__ = [
    "Done",
    "Malformed",
    "Opened",
    "Replies",
    "Reply",
    "SessionFull",
    "StaleCommand",
    "UnknownSession",
    "decode_replies",
    "decode_reply",
    "encode_reply",
]

# The first byte of a reply. Numbers are on the wire: never reuse one.
_DONE, _OPENED, _STALE, _UNKNOWN, _FULL, _MALFORMED, _REPLIES = range(7)
_DONE_BYTE = bytes((_DONE,))

_KIND_AND_NUMBER = struct.Struct(">BQ")


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
"""What became of one command."""


@dataclass(frozen=True, slots=True)
class Replies:
    """What became of the commands of a `Batch`, in their order."""

    replies: list[Reply]


def encode_reply(reply: Reply | Replies) -> bytes:
    """Encode `reply`."""
    match reply:
        case Done(payload):
            return _DONE_BYTE + payload
        case Replies(replies):
            return join(_REPLIES, [encode_reply(each) for each in replies])
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
    """Decode what `encode_reply` made of one reply. ValueError for anything else."""
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


def decode_replies(data: bytes) -> list[Reply]:
    """Decode what `encode_reply` made of the replies to a batch. ValueError for anything else."""
    if data[:1] != bytes((_REPLIES,)):
        raise ValueError(f"replies to a batch are of kind {_REPLIES}, these are of kind {data[:1]!r}")
    return [decode_reply(each) for each in split(data)]
