"""`KeyValue`: implements a key-value store as a replicated state machine; keys (sorted) and values are bytes.

A scan reads a snapshot: its first page fixes it, and later pages show the store as it was then. The machine keeps the
rest of the latest `SCANS_KEPT` scans; an older scan ends with `CommandRefused`.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from coterie.actors.groups.state_machine import Query, StateMachine
from coterie.errors import CommandRefused
from coterie.protocols.replicated_log import LogIndex
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


Items = tuple[tuple[bytes, bytes], ...]


class KeyValue(StateMachine[Get | Put | Delete | CompareAndSwap | Increment | AtomicBatch | Scan | ScanOn]):
    """The store: a dict of the values and a sorted list of the keys."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self._scans: dict[int, tuple[LogIndex, Items]] = {}
        self._scan = 0

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

    def _set(self, key: bytes, value: bytes) -> None:
        if key not in self._values:
            bisect.insort(self._keys, key)
        self._values[key] = value

    def _remove(self, key: bytes) -> bool:
        if self._values.pop(key, None) is None:
            return False
        del self._keys[bisect.bisect_left(self._keys, key)]
        return True

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
        first = bisect.bisect_left(self._keys, prefix)
        keys = self._keys_from(first, prefix)
        items = tuple((key, self._values[key]) for key in keys)
        self._scan += 1
        page = _page(self._scan, self.index, items, 0, limit)
        if page.more:
            self._scans[self._scan] = (self.index, items)
            while len(self._scans) > SCANS_KEPT:
                del self._scans[min(self._scans)]
        return page

    def _keys_from(self, first: int, prefix: bytes) -> list[bytes]:
        last = first
        while last < len(self._keys) and self._keys[last].startswith(prefix):
            last += 1
        return self._keys[first:last]

    def _scan_on(self, scan: int, after: bytes, limit: int) -> Page:
        if scan not in self._scans:
            raise CommandRefused(f"scan {scan} is gone: begin again (the latest {SCANS_KEPT} are kept)")
        index, items = self._scans[scan]
        return _page(scan, index, items, bisect.bisect_right(items, after, key=lambda item: item[0]), limit)


def _page(scan: int, index: int, items: Items, start: int, limit: int) -> Page:
    if not 1 <= limit <= PAGE_ITEMS_MAX:
        raise CommandRefused(f"a page of {limit} items: it must be 1 … {PAGE_ITEMS_MAX}")
    end, size_bytes = start, 0
    while end < min(len(items), start + limit):
        key, value = items[end]
        size_bytes += len(key) + len(value)
        if size_bytes > PAGE_BYTES_MAX and end > start:
            break
        end += 1
    return Page(index, items[start:end], end < len(items), scan)
