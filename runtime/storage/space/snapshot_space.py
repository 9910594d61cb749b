"""`SnapshotSpace`: how much disk space the snapshots of a store take, and how much the next one may take.

Only a snapshot lets go of the log, so the log must leave room for one: see `FreeSpace`. All methods are for the disk
thread, which alone writes and removes the files.
"""

from __future__ import annotations

import os.path
from typing import Final

__all__ = ["SnapshotSpace"]

_GROWTH: Final = 1.25  # by so much the next snapshot may be larger than the last one


class SnapshotSpace:
    """The sizes of the files by path, `snapshot-<digits of the group>-….snapshot` or `….partial`."""

    def __init__(self) -> None:
        self._size_by_path: dict[str, int] = {}

    def note(self, path: str, size_bytes: int) -> None:
        """Note that this file takes so much."""
        self._size_by_path[path] = size_bytes

    def renamed(self, path: str, final: str) -> None:
        """Note that a partial file became complete."""
        self._size_by_path[final] = self._size_by_path.pop(path, 0)

    def removed(self, path: str) -> None:
        """Note that a file is gone."""
        self._size_by_path.pop(path, None)

    def reserved_bytes(self, new_bytes: int) -> int:
        """Return how much must be free for the next snapshot of any one group: they may come one after the other.

        It is 1.25 times the largest one of a group, or that and `new_bytes`, if that is more; less what is written of
        the next: a partial file, or a complete one for which the last one has not been removed yet.
        """
        complete: dict[str, list[int]] = {}
        partial: dict[str, int] = {}
        for path, size_bytes in self._size_by_path.items():
            name = os.path.basename(path)
            digits = name.split("-", 2)[1]
            if name.endswith(".partial"):
                partial[digits] = partial.get(digits, 0) + size_bytes
            else:
                complete.setdefault(digits, []).append(size_bytes)
        return max(
            (
                max(int(max(sizes) * _GROWTH), max(sizes) + new_bytes)
                - (sum(sizes) - max(sizes))
                - partial.get(digits, 0)
                for digits, sizes in complete.items()
            ),
            default=new_bytes,
        )
