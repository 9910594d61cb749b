"""`ReadQueue`: answers the reads of one replica in slices, in turns between those who ask; `ReadRoom` bounds them.

A slice ends after some time, or bytes of replies, also in the middle of a batch of queries: the loop reads heartbeats
before the next one. A read whose asker waits no more is dropped. Nobody's reads wait for all of another's: askers take
turns, and each may have waiting as much as is free of the whole (the dynamic threshold, as for sessions).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coterie.protocols.sessions import PlainReads

__all__ = ["ALL_READ_BYTES", "ReadQueue", "ReadRoom"]

READING_S: Final = 0.002
"""Reads are answered for so long at once; the others follow in the next turn of the loop."""

READING_BYTES: Final = 256 * 1024
"""Once the replies of reads have so many bytes, the others follow, too: sending them holds the loop as long again."""

ALL_READ_BYTES: Final = 32 * 1024 * 1024
"""So much may wait at one replica: the bytes of queries, with `READ_OVERHEAD_BYTES` for each message."""

READ_OVERHEAD_BYTES: Final = 1024


class ReadRoom:
    """The room for reads that wait at one replica."""

    def __init__(self) -> None:
        self._bytes_by_asker: dict[str | None, int] = {}
        self._all_bytes = 0

    def enter(self, asker: str | None, command: bytes) -> bool:
        """Take room for a read; return whether there is any. One alone always has."""
        size = len(command) + READ_OVERHEAD_BYTES
        own = self._bytes_by_asker.get(asker, 0)
        if own and own + size > ALL_READ_BYTES - self._all_bytes:
            return False
        self._bytes_by_asker[asker] = own + size
        self._all_bytes += size
        return True

    def leave(self, asker: str | None, command: bytes) -> None:
        """Give the room of a read back: it is answered."""
        size = len(command) + READ_OVERHEAD_BYTES
        self._all_bytes -= size
        left = self._bytes_by_asker[asker] - size
        if left:
            self._bytes_by_asker[asker] = left
        else:
            del self._bytes_by_asker[asker]


@dataclass(slots=True)
class _Reading:
    reads: PlainReads
    is_awaited: Callable[[], bool]
    answer: Callable[[bytes | None], None]


class ReadQueue:
    """The reads that may be answered from the present state.

    Args:
        read: answers one query of the machine: encoded query → encoded reply.
        monotonic: the clock, s.
    """

    def __init__(self, read: Callable[[bytes], bytes], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._waiting_by_asker: dict[str | None, deque[_Reading]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting_by_asker

    def add(
        self,
        asker: str | None,
        command: bytes,
        *,
        is_awaited: Callable[[], bool],
        answer: Callable[[bytes | None], None],
    ) -> None:
        """Let an encoded query, or batch of queries, wait for its turn.

        `is_awaited`: whether anybody waits for the answer. `answer`: called once, with the encoded reply; None: it was
        not read, since nobody awaited it any more, or it was dropped.
        """
        reading = _Reading(PlainReads(command), is_awaited, answer)
        self._waiting_by_asker.setdefault(asker, deque()).append(reading)

    def drop(self) -> None:
        """Answer nothing of what waits: the state must not be used any more."""
        dropped, self._waiting_by_asker = self._waiting_by_asker, {}
        for waiting in dropped.values():
            for reading in waiting:
                reading.answer(None)

    def work(self) -> None:
        """Answer reads, as many as one slice may.

        Raises:
            BaseException: as the machine's `read`.
        """
        left_bytes, until = READING_BYTES, self._monotonic() + READING_S
        while self._waiting_by_asker and left_bytes > 0:
            asker = next(iter(self._waiting_by_asker))
            waiting = self._waiting_by_asker.pop(asker)  # it comes last now
            reading = waiting[0]
            is_over = False
            if reading.is_awaited():
                left_bytes -= reading.reads.advance(self._read, lambda: self._monotonic() >= until)
                is_over = self._monotonic() >= until
                reply = reading.reads.reply
            else:
                reply = b""
            if reply is not None:
                waiting.popleft()
                reading.answer(reply or None)
            if waiting:
                self._waiting_by_asker[asker] = waiting
            if is_over:
                break
