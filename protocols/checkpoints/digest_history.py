"""`DigestHistory`: computes the running digest of all replies of one replica, and keeps its recent values."""

from __future__ import annotations

import struct
from collections import deque
from hashlib import sha256
from typing import Final, NewType

from coterie.errors import InvariantViolated
from coterie.protocols.replicated_log import LogIndex

__all__ = ["DIGEST_BYTES", "Digest", "DigestHistory"]

Digest = NewType("Digest", bytes)
"""The digest of all replies up to one log entry: `DIGEST_BYTES` bytes."""

DIGEST_BYTES: Final = 16

RECENT_ENTRIES: Final = 256
"""The digests of so many of the last entries are kept, and that of each entry whose index is a multiple of it."""

MARKS_KEPT: Final = 256
"""So many of the latter: a checkpoint may be applied up to 65,536 entries after the entry that it is about."""

# The format of a saved history is durable: version, last index, how many digests of the last entries, how many marks;
# these digests, oldest first; the marks: index and digest.
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BQHH")
_MARK: Final = struct.Struct(f">Q{DIGEST_BYTES}s")


class DigestHistory:
    """The digest of one replica's replies, entry by entry, in log order.

        digest of entry i = SHA-256(digest of entry i - 1, replies to entry i), its first 16 bytes

    An entry without a command leaves the digest as it is. So two replicas have equal digests at an index exactly if
    they gave the same replies to all commands up to it (but for collisions of 128 bits).

    Args:
        base_index: the last entry before the first that is applied here: 0, or the base of the log.
        base_digest: the digest at that entry.
    """

    __slots__ = ("_mark_by_index", "_recent", "digest", "last_index")

    def __init__(self, base_index: LogIndex = LogIndex(0), base_digest: Digest = Digest(bytes(DIGEST_BYTES))) -> None:
        self.last_index = base_index
        self.digest = base_digest
        self._recent = deque([base_digest], maxlen=RECENT_ENTRIES)
        self._mark_by_index: dict[LogIndex, Digest] = {}

    def add(self, index: LogIndex, replies: bytes | None) -> None:
        """Add the encoded `replies` to the commands of entry `index`; None: the entry has no command.

        Raises:
            InvariantViolated: `index` does not follow the last one.
        """
        if index != self.last_index + 1:
            raise InvariantViolated(f"the replies to entry {index} cannot follow those to entry {self.last_index}")
        self.last_index = index
        if replies is not None:
            running = sha256(self.digest)
            running.update(replies)  # not joined with the digest first: that would copy megabytes
            self.digest = Digest(running.digest()[:DIGEST_BYTES])
        self._recent.append(self.digest)
        if index % RECENT_ENTRIES == 0:
            self._mark(index)

    def save(self) -> bytes:
        """Return the digests that are kept, for `restored`."""
        recent, marks = b"".join(self._recent), self._mark_by_index
        head = _HEAD.pack(_VERSION, self.last_index, len(self._recent), len(marks))
        return head + recent + b"".join(_MARK.pack(index, digest) for index, digest in marks.items())

    @classmethod
    def restored(cls, saved: bytes) -> DigestHistory:
        """Return the history that was saved. ValueError if the bytes are malformed."""
        if saved[:1] != bytes((_VERSION,)) or len(saved) < _HEAD.size:
            raise ValueError(f"{len(saved)} bytes that begin with {saved[:1]!r} are no digests of version {_VERSION}")
        _, last_index, recent_count, mark_count = _HEAD.unpack_from(saved)
        marks_at = _HEAD.size + recent_count * DIGEST_BYTES
        if len(saved) != marks_at + mark_count * _MARK.size or not 0 < recent_count <= RECENT_ENTRIES:
            raise ValueError(f"{len(saved)} bytes are not {recent_count} digests and {mark_count} marks")
        recent = [Digest(saved[at : at + DIGEST_BYTES]) for at in range(_HEAD.size, marks_at, DIGEST_BYTES)]
        history = cls(LogIndex(last_index), recent[-1])
        history._recent = deque(recent, maxlen=RECENT_ENTRIES)
        history._mark_by_index = {LogIndex(index): Digest(one) for index, one in _MARK.iter_unpack(saved[marks_at:])}
        return history

    def at(self, index: LogIndex) -> Digest | None:
        """Return the digest at `index`; None if it has not been applied, or is no longer kept."""
        age = self.last_index - index
        if 0 <= age < len(self._recent):
            return self._recent[-1 - age]
        return self._mark_by_index.get(index)

    def _mark(self, index: LogIndex) -> None:
        self._mark_by_index[index] = self.digest
        if len(self._mark_by_index) > MARKS_KEPT:
            del self._mark_by_index[next(iter(self._mark_by_index))]
