"""Session snapshots: encode all open sessions with their kept replies as pieces of bytes, and restore them from these.

A snapshot holds all on which later answers depend: the sessions in both orders of eviction (the owners by last use, and
the sessions of each by last use), their openings and low-water marks, and the kept replies by sequence. What the
replies count follows from them.

The format is durable. Each piece is a version byte and whole records; the first record, and no other, is `HEAD`:

    record        layout (big-endian)
    HEAD       0  >BII?         tag, number of sessions, number of replies, whether `used_last` is the last session
    SESSION    1  >B16s16sQIH   tag, id, nonce, low-water mark, number of its replies, length of its owner; the owner
    REPLY      2  >BQI          tag, sequence, length; the reply
    TOO_LARGE  3  >BQQQ         tag, sequence, size of the reply, size that a reply may have

The replies of a session follow it. The sessions of an owner stand together; sessions and owners that were used least
recently come first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from coterie.protocols.sessions.kept_sessions import KEPT_REPLY_BYTES, FrozenSession, KeptSession, KeptSessions
from coterie.protocols.sessions.session_commands import OWNER_BYTES_MAX, OpenSession, SessionId
from coterie.protocols.sessions.session_replies import TooLarge

__all__ = ["PIECE_BYTES", "SessionsRestore", "snapshot_pieces"]

PIECE_BYTES: Final = 256 * 1024
"""A piece has at most so many bytes, unless a single reply has more."""

PIECE_RECORDS: Final = 4096
"""A piece has at most so many records: it is made, and restored, in about a millisecond."""

_VERSION: Final = 1
_VERSION_BYTE: Final = bytes((_VERSION,))
_HEAD_TAG, _SESSION_TAG, _REPLY_TAG, _TOO_LARGE_TAG = range(4)
_HEAD: Final = struct.Struct(">BII?")
_SESSION: Final = struct.Struct(">B16s16sQIH")
_REPLY: Final = struct.Struct(">BQI")
_TOO_LARGE: Final = struct.Struct(">BQQQ")


def snapshot_pieces(sessions: KeptSessions) -> Iterator[bytes]:
    """Freeze the sessions as they are now; return their pieces, which are encoded one by one, whatever happens since.

    The call itself takes a fraction of a microsecond for each session, however many replies they keep.
    """
    frozen = sessions.freeze()
    last = frozen[-1].number if frozen else None
    return _pieces(frozen, is_used_last_known=last is not None and last == sessions.used_last)


def _pieces(frozen: list[FrozenSession], *, is_used_last_known: bool) -> Iterator[bytes]:
    count = sum(len(session.reply_by_sequence) for session in frozen)
    parts = [_VERSION_BYTE, _HEAD.pack(_HEAD_TAG, len(frozen), count, is_used_last_known)]
    size_bytes, records = sum(map(len, parts)), 1
    for record in _records(frozen):
        if size_bytes + len(record) > PIECE_BYTES or records == PIECE_RECORDS:
            yield b"".join(parts)
            parts = [_VERSION_BYTE]
            size_bytes, records = len(_VERSION_BYTE), 0
        parts.append(record)
        size_bytes += len(record)
        records += 1
    yield b"".join(parts)


def _records(frozen: list[FrozenSession]) -> Iterator[bytes]:
    for number, opening, low_water, reply_by_sequence in frozen:
        count = len(reply_by_sequence)
        head = _SESSION.pack(_SESSION_TAG, number, opening.nonce, low_water, count, len(opening.owner))
        yield head + opening.owner
        for sequence, reply in reply_by_sequence.items():
            if isinstance(reply, TooLarge):
                yield _TOO_LARGE.pack(_TOO_LARGE_TAG, sequence, reply.size_bytes, reply.max_bytes)
            else:
                yield _REPLY.pack(_REPLY_TAG, sequence, len(reply)) + reply


class SessionsRestore:
    """Sessions that are being restored from the pieces of a snapshot: `add` each in order, then `end`.

    After an error it must not be used any more.
    """

    def __init__(self) -> None:
        self._sessions = KeptSessions()
        self._has_head = False
        self._sessions_left = 0
        self._replies_left = 0
        self._session: KeptSession | None = None
        self._session_replies_left = 0
        self._last: SessionId | None = None
        self._is_used_last_known = False

    def add(self, piece: bytes) -> None:
        """Restore what the next piece holds.

        Raises:
            ValueError: it is none, or cannot follow those before it.
        """
        if piece[:1] != _VERSION_BYTE:
            raise ValueError(f"a piece of sessions begins with version {_VERSION}, this one with {piece[:1]!r}")
        at, end = len(_VERSION_BYTE), len(piece)
        try:
            while at < end:
                at = self._take(piece, at)
        except struct.error as error:
            raise ValueError(f"a piece of sessions ends within a record, at byte {at} of {end}") from error

    def end(self) -> KeptSessions:
        """Return the restored sessions. ValueError if something is missing."""
        if not self._has_head or self._sessions_left or self._replies_left or self._session_replies_left:
            missing = f"{self._sessions_left} sessions and {self._replies_left} replies are missing"
            raise ValueError(f"a snapshot of sessions is incomplete: {missing if self._has_head else 'it has no head'}")
        if self._is_used_last_known:
            self._sessions.used_last = self._last
        return self._sessions

    def _take(self, piece: bytes, at: int) -> int:
        """Restore the record at `at`; return where the next one begins."""
        tag = piece[at]
        if (tag == _HEAD_TAG) is self._has_head:
            raise ValueError("a snapshot of sessions has one head, and begins with it")
        if tag == _REPLY_TAG:
            return self._take_reply(piece, at)
        if tag == _SESSION_TAG:
            return self._take_session(piece, at)
        if tag == _TOO_LARGE_TAG:
            _, sequence, size_bytes, max_bytes = _TOO_LARGE.unpack_from(piece, at)
            self._keep(sequence, TooLarge(size_bytes, max_bytes))
            return at + _TOO_LARGE.size
        if tag == _HEAD_TAG:
            _, self._sessions_left, self._replies_left, self._is_used_last_known = _HEAD.unpack_from(piece, at)
            self._has_head = True
            return at + _HEAD.size
        raise ValueError(f"no record of a snapshot of sessions has the tag {tag}")

    def _take_session(self, piece: bytes, at: int) -> int:
        number: SessionId
        owner_bytes: int
        _, number, nonce, low_water, replies, owner_bytes = _SESSION.unpack_from(piece, at)
        at += _SESSION.size
        owner = piece[at : at + owner_bytes]
        if len(owner) < owner_bytes or owner_bytes > OWNER_BYTES_MAX:
            raise ValueError(f"an owner of {owner_bytes} bytes: {len(owner)} are there, {OWNER_BYTES_MAX} may be")
        if self._session_replies_left or not self._sessions_left:
            raise ValueError("a session comes before the replies of the one before it, or is one too many")
        self._session = self._sessions.put_last(number, OpenSession(nonce, owner), low_water)
        self._last = number
        self._sessions_left -= 1
        self._session_replies_left = replies
        return at + owner_bytes

    def _take_reply(self, piece: bytes, at: int) -> int:
        sequence: int
        length: int
        _, sequence, length = _REPLY.unpack_from(piece, at)
        start = at + _REPLY.size
        reply = piece[start : start + length]
        if len(reply) < length or length > KEPT_REPLY_BYTES:
            raise ValueError(f"a kept reply of {length} bytes: {len(reply)} are there, {KEPT_REPLY_BYTES} may be")
        self._keep(sequence, reply)
        return start + length

    def _keep(self, sequence: int, reply: bytes | TooLarge) -> None:
        session = self._session
        if session is None or not self._session_replies_left or not self._replies_left:
            raise ValueError(f"the reply to command {sequence} belongs to no session")
        if sequence < session.low_water or sequence in session.reply_by_sequence:
            raise ValueError(f"the reply to command {sequence} is kept twice, or below mark {session.low_water}")
        session.put_reply(sequence, reply)
        self._session_replies_left -= 1
        self._replies_left -= 1
