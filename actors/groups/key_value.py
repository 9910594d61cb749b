"""`KeyValue`: implements a key-value store as a replicated state machine; keys (sorted) and values are bytes.

A scan reads the store of one moment: its first page fixes it, and later pages show the store as it was then. The latest
`SCANS_KEPT` scans are kept; an older one, or one since which too much has changed, ends with `CommandRefused`. Nothing
is copied: while a scan is kept, each change notes what its key had before (copy on write), and a page costs what it
holds, however large the store is. Snapshots of the machine are made in the same way.
"""

from __future__ import annotations

import bisect
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from coterie.actors.groups.snapshots.key_value_snapshot import FrozenScan, StoreRestore, store_pieces
from coterie.actors.groups.snapshots.store_views import OpenScan, SnapshotView
from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.errors import CommandRefused
from coterie.runtime.messages.message import Ask, message

__all__ = [
    "AtomicBatch",
    "BatchResult",
    "CompareAndSwap",
    "Delete",
    "Get",
    "Increment",
    "KeyValue",
    "Page",
    "Put",
    "Scan",
    "ScanOn",
]

SCANS_KEPT: Final = 8
SCAN_CHANGES_MAX: Final = 250_000
"""After so many keys have changed a scan ends: it would keep too much, and skip too much for a page."""

PAGE_ITEMS_MAX: Final = 10_000
PAGE_BYTES_MAX: Final = 1 << 20  # a page must fit into a frame of the transport; it holds one item at least
INT64: Final = range(-(2**63), 2**63)


@message(name="kv.Get")
class Get(Query[bytes | None]):
    """Read `key`: its value, or None."""

    key: bytes


@message(name="kv.Put")
class Put(Ask[None]):
    """Set `key` to `value`."""

    key: bytes
    value: bytes


@message(name="kv.Delete")
class Delete(Ask[bool]):
    """Remove `key`; return whether it was present."""

    key: bytes


@message(name="kv.CompareAndSwap")
class CompareAndSwap(Ask[bool]):
    """Set `key` to `value` (None: remove it) if its value is `expected` (None: absent); return whether it was."""

    key: bytes
    expected: bytes | None
    value: bytes | None


@message(name="kv.Increment")
class Increment(Ask[int]):
    """Add `by` to the decimal number at `key` (absent: 0) and return the sum. CommandRefused: not a number."""

    key: bytes
    by: int = 1


@message(name="kv.BatchResult")
class BatchResult:
    """Whether a batch was applied; if not, `blocked_by` is the key whose value was not the expected one."""

    applied: bool
    blocked_by: bytes | None = None


@message(name="kv.Batch")
class AtomicBatch(Ask[BatchResult]):
    """All or nothing: if every key in `expect` has that value (None: absent), delete, then put, then increment.

    CommandRefused, and nothing changes: the value of a key to increment is not a number, or it is put or deleted too.
    """

    expect: Mapping[bytes, bytes | None] = field(default_factory=dict)
    delete: tuple[bytes, ...] = ()
    put: Mapping[bytes, bytes] = field(default_factory=dict)
    increment: Mapping[bytes, int] = field(default_factory=dict)


@message(name="kv.Page")
class Page:
    """One page of a scan: `items` in key order as of log entry `index`; `more`: whether `ScanOn(scan)` has a next page.

    It holds up to `limit` items, and fewer if they take more than 1 MiB.
    """

    index: int
    items: tuple[tuple[bytes, bytes], ...]
    more: bool
    scan: int


@message(name="kv.Scan")
class Scan(Query[Page]):
    """Start a scan of all keys that begin with `prefix`; pages have at most `limit` items (1 … 10,000)."""

    prefix: bytes = b""
    limit: int = 1000


@message(name="kv.ScanOn")
class ScanOn(Query[Page]):
    """Read the next page of a `scan`: keys above `after`. CommandRefused if the scan is no longer kept."""

    scan: int
    after: bytes
    limit: int = 1000


class KeyValue(StateMachine[Get | Put | Delete | CompareAndSwap | Increment | AtomicBatch | Scan | ScanOn]):
    """The store: a dict of the values and a sorted list of the keys."""

    transient = ("_snapshots", "_restoring")

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._scans: dict[int, OpenScan] = {}
        self._scan = 0
        self._snapshots: list[weakref.ref[SnapshotView]] = []
        self._restoring: StoreRestore | None = None

    def apply(
        self, command: Get | Put | Delete | CompareAndSwap | Increment | AtomicBatch | Scan | ScanOn, /
    ) -> bytes | int | BatchResult | Page | None:
        """Execute one command."""
        match command:
            case Get(key):
                return self._values.get(key)
            case Put(key, value):
                self._set(key, value)
                return None
            case Delete(key):
                return self._remove(key)
            case CompareAndSwap(key, expected, value):
                return self._compare_and_swap(key, expected, value)
            case Increment(key, by):
                return self._increment(key, by)
            case AtomicBatch():
                return self._batch(command)
            case Scan(prefix, limit):
                return self._begin_scan(prefix, limit)
            case ScanOn(scan, after, limit):
                return self._scan_on(scan, after, limit)

    def read(self, query: Get, /) -> bytes | None:
        """Read one key. Scans are entries of the log: what they read is kept, on every replica, until they end."""
        return self._values.get(query.key)

    def snapshot(self) -> Iterator[bytes]:
        """Return the items and the open scans as they are now, in pieces. Nothing is copied, however large the store.

        Until the iterator ends, or is dropped, each change of a key that it has not come to is noted.
        """
        view = SnapshotView()
        self._snapshots = [other for other in self._snapshots if other() is not None] + [weakref.ref(view)]
        scans = [
            FrozenScan(number, scan.index, scan.prefix, len(scan.changed), scan.changed, scan.before)
            for number, scan in self._scans.items()
        ]
        return store_pieces(view, self._keys, self._values, begun=self._scan, scans=scans)

    def restore(self, piece: bytes) -> None:
        """Take the next piece of a snapshot, on a new machine. ValueError if it is malformed, or not the next one."""
        if self._restoring is None:
            if self._values or self._scan:
                raise ValueError("a store that is in use, or whole, takes no piece of a snapshot")
            self._restoring = StoreRestore(self._keys, self._values, self._scans)
        self._restoring.add(piece)
        if self._restoring.is_whole:
            self._scan, self._restoring = self._restoring.begun, None

    def _compared_attributes(self) -> dict[str, object]:
        """Return what is equal on all replicas: not the order of the dict, nor what this one does for snapshots."""
        own = {name: value for name, value in vars(self).items() if name not in self.transient}
        return {**own, "_values": {key: self._values[key] for key in sorted(self._values)}}

    def _set(self, key: bytes, value: bytes) -> None:
        was = self._values.get(key)
        if self._scans or self._snapshots:
            self._note(key, was, is_removed=False)
        if was is None:
            bisect.insort(self._keys, key)
        self._values[key] = value

    def _remove(self, key: bytes) -> bool:
        was = self._values.pop(key, None)
        if was is None:
            return False
        if self._scans or self._snapshots:
            self._note(key, was, is_removed=True)
        del self._keys[bisect.bisect_left(self._keys, key)]
        return True

    def _note(self, key: bytes, value: bytes | None, *, is_removed: bool) -> None:
        for number, scan in list(self._scans.items()):
            scan.note(key, value, is_removed=is_removed)
            if len(scan.before) > SCAN_CHANGES_MAX:
                del self._scans[number]
        for weak in list(self._snapshots):
            view = weak()
            if view is None:
                self._snapshots.remove(weak)
            else:
                view.note(key, value, is_removed=is_removed)

    def _compare_and_swap(self, key: bytes, expected: bytes | None, value: bytes | None) -> bool:
        if self._values.get(key) != expected:
            return False
        if value is None:
            self._remove(key)
        else:
            self._set(key, value)
        return True

    def _increment(self, key: bytes, by: int) -> int:
        total = self._sum(key, by)
        self._set(key, b"%d" % total)
        return total

    def _sum(self, key: bytes, by: int) -> int:
        value = self._values.get(key, b"0")
        digits = value[1:] if value[:1] == b"-" else value
        if not digits.isdigit() or len(digits) > 19:  # int() would also take blanks, underscores and signs
            raise CommandRefused(f"increment of {key!r}: its value {value[:40]!r} is not a number of 64 bits")
        total = int(value) + by
        if total not in INT64:
            raise CommandRefused(f"increment of {key!r}: {total} takes more than 64 bits")
        return total

    def _batch(self, batch: AtomicBatch) -> BatchResult:
        for key, expected in batch.expect.items():
            if self._values.get(key) != expected:
                return BatchResult(applied=False, blocked_by=key)
        for key in batch.increment:
            if key in batch.put or key in batch.delete:
                raise CommandRefused(f"batch: {key!r} is put or deleted, and incremented too: leave one of them out")
        sums = {key: b"%d" % self._sum(key, by) for key, by in batch.increment.items()}
        for key in batch.delete:
            self._remove(key)
        for key, value in (*batch.put.items(), *sums.items()):
            self._set(key, value)
        return BatchResult(applied=True)

    def _begin_scan(self, prefix: bytes, limit: int) -> Page:
        self._scan += 1
        scan = OpenScan(self.index, prefix)
        page = self._page(self._scan, scan, prefix, limit)
        if page.more:
            self._scans[self._scan] = scan
            if len(self._scans) > SCANS_KEPT:
                del self._scans[min(self._scans)]
        return page

    def _scan_on(self, number: int, after: bytes, limit: int) -> Page:
        scan = self._scans.get(number)
        if scan is None:
            kept = f"the latest {SCANS_KEPT} are kept, until {SCAN_CHANGES_MAX} keys have changed"
            raise CommandRefused(f"scan {number} is gone: begin again ({kept})")
        return self._page(number, scan, max(after + b"\0", scan.prefix), limit)  # the next key that there can be

    def _page(self, number: int, scan: OpenScan, first: bytes, limit: int) -> Page:
        """Return the page of a scan that begins at the key `first`, or after it."""
        if not 1 <= limit <= PAGE_ITEMS_MAX:
            raise CommandRefused(f"a page of {limit} items: it must be 1 … {PAGE_ITEMS_MAX}")
        items: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        for key, value in scan.items(self._keys, self._values, first):
            size_bytes += len(key) + len(value)
            if len(items) == limit or (items and size_bytes > PAGE_BYTES_MAX):
                return Page(scan.index, tuple(items), more=True, scan=number)
            items.append((key, value))
        return Page(scan.index, tuple(items), more=False, scan=number)
