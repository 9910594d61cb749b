"""Store views: show a key-value store as it was at one moment, while it changes: each change notes what its key had.

Nothing is copied when a view is made, and a view costs as much memory as there are changes since (copy on write):

    a key of the view has    before[key]   if that is noted (None: the key was absent), else what the store has
    the keys of the view     those of the store, and `removed`: the keys that the view has and the store has not
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Iterator, Mapping
from typing import Final

from coterie.protocols.replicated_log import LogIndex

__all__ = ["VISITS_MAX", "OpenScan", "SnapshotView", "StoreView"]

VISITS_MAX: Final = 8
"""How often a snapshot looks for the items of one piece among the keys that were added since it began."""


class StoreView:
    """The keys of a store that begin with `prefix`, as they were when this was made.

    `before`: of each key that has changed since, its value then (None: absent), in the order of first changes.
    `removed`: the keys that were there then, and are not now, sorted.
    """

    __slots__ = ("__weakref__", "before", "prefix", "removed")

    def __init__(self, prefix: bytes = b"") -> None:
        self.prefix = prefix
        self.before: dict[bytes, bytes | None] = {}
        self.removed: list[bytes] = []

    def note(self, key: bytes, value: bytes | None, *, is_removed: bool) -> None:
        """Note that a key, which has `value` (None: it is absent), is removed, or put."""
        if not key.startswith(self.prefix):
            return
        was = self.before.setdefault(key, value)
        if was is None or not (is_removed or value is None):
            return
        at = bisect.bisect_left(self.removed, key)
        if is_removed:
            self.removed.insert(at, key)
        else:  # it was removed, and is back
            del self.removed[at]

    def items(self, keys: list[bytes], values: Mapping[bytes, bytes], first: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the keys and values of the view from the key `first` on, in order, while the store does not change."""
        for key in heapq.merge(_from(keys, first), _from(self.removed, first)):
            if not key.startswith(self.prefix):
                return
            value = self.before.get(key, values.get(key))
            if value is not None:
                yield key, value


def _from(keys: list[bytes], first: bytes) -> Iterator[bytes]:
    """Yield the sorted `keys` from `first` on, without a look at those before it."""
    return map(keys.__getitem__, range(bisect.bisect_left(keys, first), len(keys)))


class OpenScan(StoreView):
    """What a scan reads: the store as of entry `index`.

    `changed`: the keys of `before`, in its order, which only grow: so the first of them show how it was earlier.
    """

    __slots__ = ("changed", "index")

    def __init__(self, index: LogIndex, prefix: bytes) -> None:
        super().__init__(prefix)
        self.index = index
        self.changed: list[bytes] = []

    def note(self, key: bytes, value: bytes | None, *, is_removed: bool) -> None:
        """Note that a key, which has `value` (None: it is absent), is removed, or put."""
        super().note(key, value, is_removed=is_removed)
        if len(self.before) > len(self.changed):
            self.changed.append(key)

    def restore_notes(self, before: Mapping[bytes, bytes | None], values: Mapping[bytes, bytes]) -> None:
        """Set what was noted in a snapshot; `values`: those that the store has in that snapshot."""
        self.before = dict(before)
        self.changed = list(before)
        self.removed = sorted(key for key, value in before.items() if value is not None and key not in values)


class SnapshotView(StoreView):
    """What a snapshot holds, read from the first key to the last one: changes to keys that are read are not noted."""

    __slots__ = ("_read_up_to",)

    def __init__(self) -> None:
        super().__init__()
        self._read_up_to: bytes | None = None

    def note(self, key: bytes, value: bytes | None, *, is_removed: bool) -> None:
        """Note that a key, which has `value` (None: it is absent), is removed, or put."""
        if self._read_up_to is None or key > self._read_up_to:
            super().note(key, value, is_removed=is_removed)

    def read(
        self, keys: list[bytes], values: Mapping[bytes, bytes], *, items_max: int, bytes_max: int
    ) -> list[tuple[bytes, bytes]] | None:
        """Return the next items, and forget what was noted for them; None: no key is left.

        There are `items_max`, or fewer if more would take more than `bytes_max` (a single one may take more), so that
        it does not depend on what changed meanwhile where they are cut; but no more than `VISITS_MAX` times as many
        keys are visited, so there may be none that belong to the view, although more follow.
        """
        items: list[tuple[bytes, bytes]] = []
        left_bytes, before = bytes_max, self.before
        for visit in range(VISITS_MAX):
            visited = self._next_keys(keys, items_max)
            if not visited:
                return items if items or visit else None
            for key in visited:
                value = before[key] if key in before else values[key]
                if value is not None:
                    left_bytes -= len(key) + len(value)
                    if items and (left_bytes < 0 or len(items) == items_max):
                        self._forget_removed()
                        return items
                    items.append((key, value))
                before.pop(key, None)
                self._read_up_to = key
            self._forget_removed()
        return items

    def _next_keys(self, keys: list[bytes], count: int) -> list[bytes]:
        begin = 0 if self._read_up_to is None else bisect.bisect_right(keys, self._read_up_to)
        visited = keys[begin : begin + count]
        return sorted(visited + self.removed[:count])[:count] if self.removed else visited

    def _forget_removed(self) -> None:
        if self.removed and self._read_up_to is not None:
            del self.removed[: bisect.bisect_right(self.removed, self._read_up_to)]
