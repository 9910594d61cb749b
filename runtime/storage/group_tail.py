"""A group's end as it will be once everything submitted is durable: what the next write is checked against."""

from __future__ import annotations

from coterie.runtime.storage.log_store import Write

__all__ = ["Tail"]

_MAX_NAME_BYTES = 1024


class Tail:
    """The positions a group will hold. `is_known` says whether anything was ever submitted to it."""

    __slots__ = ("first", "group", "is_known", "last")

    def __init__(self, group: str, first: int = 1, last: int = 0, *, is_known: bool = False) -> None:
        if not 0 < len(group.encode()) <= _MAX_NAME_BYTES:
            raise ValueError(f"a group's name must have 1 … {_MAX_NAME_BYTES} bytes, not {len(group.encode())}")
        self.group = group
        self.first = first
        self.last = last
        self.is_known = is_known

    def check(self, write: Write) -> None:
        """ValueError if `write` truncates where nothing is held, or leaves a gap."""
        cut = write.truncate_from
        if cut is not None and not self.first <= cut <= self.last + 1:
            raise ValueError(
                f"group {self.group!r} holds {self.first} … {self.last}: it cannot be truncated from {cut} on"
            )
        expected = self.last + 1 if cut is None else cut
        if write.records and write.first != expected:
            raise ValueError(f"the next record of group {self.group!r} must be {expected}, not {write.first}")

    def advance(self, write: Write) -> None:
        """Take note that a checked `write` was submitted."""
        self.is_known = True
        if write.truncate_from is not None:
            self.last = write.truncate_from - 1
        self.last += len(write.records)

    def drop_before(self, position: int) -> bool:
        """Take note that a drop was submitted; return False if there is nothing to drop."""
        if position <= self.first:
            return False
        self.is_known = True
        self.first = position
        self.last = max(self.last, position - 1)
        return True
