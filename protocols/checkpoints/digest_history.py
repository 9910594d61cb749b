"""`DigestHistory`: computes the running digest of all replies of one replica, and keeps its recent values."""

from __future__ import annotations

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
