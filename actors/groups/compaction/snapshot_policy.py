"""`SnapshotPolicy`: says when the replicas of a group take snapshots, and how much of the log stays behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["STANDARD_POLICY", "SnapshotPolicy"]

_MIB = 1024 * 1024

SHORT_BYTES: Final = 256 * 1024
"""On a disk that is nearly full a snapshot is due after so many bytes."""


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When a replica takes a snapshot, and which entries stay for followers that are a little behind.

    A snapshot is due once the commands that were applied since the last one take `after_bytes`, or once they are
    `after_entries` entries; but never before they take `share` of what the last snapshot took: so what is written for
    snapshots stays in proportion to what is written for commands. It is due earlier by as many bytes as were applied
    while the last one was taken, but by half at most: those that will be applied meanwhile are log on the disk, too.

    Attributes:
        after_bytes: Default 4 MiB. Too low: snapshots all the time. Too high: a restart applies much again, and the
            disk keeps more.
        after_entries: Default 50,000, which a restart applies in a second or two. For tiny commands, as `after_bytes`.
        share: Default 0.4: with large states, five bytes of snapshots for two bytes of commands at most. Too low:
            more work for snapshots than for commands. Too high: more log on the disk, and a longer restart.
        trailing_entries: So many entries before the snapshot stay. Default 10,000. Too low: a follower that was away
            for a moment needs the whole snapshot. Too high: disk.
        trailing_bytes: ... but no more than these take. Default 2 MiB.

    Raises:
        ValueError: a number is out of range.
    """

    after_bytes: int = 4 * _MIB
    after_entries: int = 50_000
    share: float = 0.4
    trailing_entries: int = 10_000
    trailing_bytes: int = 2 * _MIB

    def __post_init__(self) -> None:
        for name in ("after_bytes", "after_entries"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("share", "trailing_entries", "trailing_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")

    def is_due(self, entries: int, size_bytes: int, last_snapshot_bytes: int, *, is_short: bool = False) -> bool:
        """Return whether a snapshot is due after so many entries and bytes of commands.

        `is_short`: the disk is nearly full, so 256 KiB are enough instead of `after_bytes`.
        """
        after_bytes = min(self.after_bytes, SHORT_BYTES) if is_short else self.after_bytes
        is_much = size_bytes >= after_bytes or entries >= self.after_entries
        return is_much and size_bytes >= self.share * last_snapshot_bytes


STANDARD_POLICY: Final = SnapshotPolicy()
"""The policy of a group that names no other."""
