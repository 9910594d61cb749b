"""Session replies: define the results of session commands, and encode and decode them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple, assert_never

from coterie.protocols.sessions.length_prefixed import join_parts, split_parts
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
    """The sequence is too far above the session's `low_water`: definitely not executed (yet)."""

    low_water: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """The bytes are not a valid command: definitely not executed."""


Reply = Done | Opened | StaleCommand | UnknownSession | SessionFull | Malformed
"""The result of one command."""


@dataclass(frozen=True, slots=True)
class Replies:
    """The results of the commands of a `CommandBatch`, in their order."""

    replies: list[Reply]


def encode_reply(reply: Reply | Replies) -> bytes:
    """Encode `reply`."""
    match reply:
        case Done(payload):
            return _DONE_BYTE + payload
        case Replies(replies):
            return join_parts(_REPLIES, [encode_reply(each) for each in replies])
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
    """Decode the output of `encode_reply` for one reply. ValueError for anything else."""
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
    raise ValueError(f"no reply has the kind {kind} and {len(data)} bytes")


def decode_replies(data: bytes) -> list[Reply]:
    """Decode the output of `encode_reply` for the replies to a batch. ValueError for anything else."""
    if data[:1] != bytes((_REPLIES,)):
        raise ValueError(f"replies to a batch have the kind {_REPLIES}, these have the kind {data[:1]!r}")
    return [decode_reply(each) for each in split_parts(data)]
