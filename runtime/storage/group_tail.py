"""`GroupTail`: holds a group's last position after all submitted writes, and checks that the next write follows it."""

from __future__ import annotations

from coterie.runtime.storage.log_store import Write

__all__ = ["GroupTail"]

_MAX_NAME_BYTES = 1024


class GroupTail:
    """The positions that a group will hold. `is_known`: whether anything was ever submitted to the group."""

    __slots__ = ("first", "group", "is_known", "last")

    def __init__(self, group: str, first: int = 1, last: int = 0, *, is_known: bool = False) -> None:
        if not 0 < len(group.encode()) <= _MAX_NAME_BYTES:
            raise ValueError(f"a group's name must have 1 … {_MAX_NAME_BYTES} bytes, not {len(group.encode())}")
        self.group = group
        self.first = first
        self.last = last
        self.is_known = is_known

    def check(self, write: Write) -> None:
        """Raise ValueError if `write` truncates outside the held positions, or leaves a gap."""
        cut = write.truncate_from
        if cut is not None and not self.first <= cut <= self.last + 1:
            raise ValueError(
                f"group {self.group!r} holds {self.first} … {self.last}: it cannot be truncated from {cut} on"
            )
        expected = self.last + 1 if cut is None else cut
        if write.records and write.first != expected:
            raise ValueError(f"the next record of group {self.group!r} must be {expected}, not {write.first}")

    def advance(self, write: Write) -> None:
        """Advance by a checked `write` that was submitted."""
        self.is_known = True
        if write.truncate_from is not None:
            self.last = write.truncate_from - 1
        self.last += len(write.records)

    def drop_before(self, position: int) -> bool:
        """Advance by a submitted drop; return False if there is nothing to drop."""
        if position <= self.first:
            return False
        self.is_known = True
        self.first = position
        self.last = max(self.last, position - 1)
        return True
