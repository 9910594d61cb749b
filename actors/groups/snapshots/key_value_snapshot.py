"""Key-value snapshots: encode the items and the open scans of a `KeyValue` as pieces, and restore them from these.

The format is durable (big-endian). Each piece is a version byte, the byte of its kind, and:

    HEAD    0  >QQI     how many scans were ever begun, number of items, number of open scans
    ITEMS   1  >II      length of a key and of its value; both; and so on, in the order of keys
    SCAN    2  >QQQ     number of a scan, entry of which it shows the store, number of its notes; its prefix
    NOTES   3  >?II     whether a key was there, length of it and of its value; both; and so on, in the order of changes

All items come first, then each scan and its notes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from coterie.actors.groups.snapshots.state_tokens import PIECE_BYTES
from coterie.actors.groups.snapshots.store_views import OpenScan, SnapshotView
from coterie.errors import InvariantViolated
from coterie.protocols.replicated_log import LogIndex

__all__ = ["FrozenScan", "StoreRestore", "store_pieces"]

PIECE_KEYS: Final = 500
"""A piece has at most so many items: that takes about half a millisecond."""

_VERSION: Final = 1
_HEAD_KIND, _ITEMS_KIND, _SCAN_KIND, _NOTES_KIND = (bytes((_VERSION, kind)) for kind in range(4))
_HEAD: Final = struct.Struct(">QQI")
_ITEM: Final = struct.Struct(">II")
_SCAN: Final = struct.Struct(">QQQ")
_NOTE: Final = struct.Struct(">?II")


class FrozenScan(NamedTuple):
    """An open scan as it was when it had `notes` notes: both collections only grow."""

    number: int
    entry: LogIndex
    prefix: bytes
    notes: int
    changed: Sequence[bytes]
    before: Mapping[bytes, bytes | None]


def store_pieces(
    view: SnapshotView,
    keys: list[bytes],
    values: Mapping[bytes, bytes],
    *,
    begun: int,
    scans: Sequence[FrozenScan],
) -> Iterator[bytes]:
    """Return the pieces of a store, of which `view` is new; `begun`: how many scans were ever begun.

    Nothing but the iterator holds the view, so that it ends with it.
    """
    head = _HEAD.pack(begun, len(keys), len(scans))
    return _pieces(head, view, keys, values, scans, len(keys))


def _pieces(
    head: bytes,
    view: SnapshotView,
    keys: list[bytes],
    values: Mapping[bytes, bytes],
    scans: Sequence[FrozenScan],
    left: int,
) -> Iterator[bytes]:
    yield _HEAD_KIND + head
    while left:
        parts = [_ITEMS_KIND]
        items = view.read(keys, values, items_max=PIECE_KEYS, bytes_max=PIECE_BYTES)
        if items is None:
            raise InvariantViolated(f"{left} items of a snapshot are lost")
        for key, value in items:
            parts += (_ITEM.pack(len(key), len(value)), key, value)
            left -= 1
        yield b"".join(parts)
    del view  # nothing needs to be noted any more
    for scan in scans:
        yield _SCAN_KIND + _SCAN.pack(scan.number, scan.entry, scan.notes) + scan.prefix
        yield from _notes(scan)


def _notes(scan: FrozenScan) -> Iterator[bytes]:
    parts, size_bytes = [_NOTES_KIND], 0
    for place in range(scan.notes):
        key = scan.changed[place]
        value = scan.before[key]
        note = _NOTE.pack(value is not None, len(key), len(value or b"")) + key + (value or b"")
        if len(parts) > 1 and (size_bytes + len(note) > PIECE_BYTES or len(parts) > PIECE_KEYS):
            yield b"".join(parts)
            parts, size_bytes = [_NOTES_KIND], 0
        parts.append(note)
        size_bytes += len(note)
    if scan.notes:
        yield b"".join(parts)


class StoreRestore:
    """A store that is being restored: items are appended to `keys` and `values`, which are empty, scans to `scans`."""

    def __init__(self, keys: list[bytes], values: dict[bytes, bytes], scans: dict[int, OpenScan]) -> None:
        self._keys = keys
        self._values = values
        self._scans = scans
        self._has_head = False
        self._items_left = 0
        self._scans_left = 0
        self._scan: OpenScan | None = None
        self._notes: dict[bytes, bytes | None] = {}
        self._notes_left = 0
        self.begun = 0
        """How many scans were ever begun."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return self._has_head and not (self._items_left or self._scans_left or self._notes_left)

    def add(self, piece: bytes) -> None:
        """Restore what the next piece holds. ValueError if it is none, or not the next one."""
        kind = piece[:2]
        try:
            if (kind == _HEAD_KIND) is self._has_head:
                raise ValueError("a saved store has one head, and begins with it")
            if kind == _ITEMS_KIND and not self._scans:
                self._add_items(piece)
            elif kind == _NOTES_KIND and self._notes_left:
                self._add_notes(piece)
            elif kind == _SCAN_KIND and self._scans_left and not (self._items_left or self._notes_left):
                self._begin_scan(piece)
            elif kind == _HEAD_KIND:
                self.begun, self._items_left, self._scans_left = _HEAD.unpack(piece[2:])
                self._has_head = True
            else:
                raise ValueError(f"no piece of a saved store that begins with {kind!r} can come here")
        except struct.error as error:
            raise ValueError(f"a piece of a saved store of {len(piece)} bytes ends too early") from error

    def _add_items(self, piece: bytes) -> None:
        keys, values = self._keys, self._values
        at, end, last = 2, len(piece), keys[-1] if keys else None
        while at < end:
            key_bytes, value_bytes = _ITEM.unpack_from(piece, at)
            start = at + _ITEM.size
            middle = start + key_bytes
            at = middle + value_bytes
            key = piece[start:middle]
            if at > end or (last is not None and key <= last):
                raise ValueError(f"a saved store is cut, or its keys are not in order, at {key[:40]!r}")
            keys.append(key)
            values[key] = piece[middle:at]
            self._items_left -= 1
            last = key
        if self._items_left < 0:
            raise ValueError("a saved store has more items than it says")

    def _begin_scan(self, piece: bytes) -> None:
        number, index, self._notes_left = _SCAN.unpack_from(piece, 2)
        if number in self._scans or number > self.begun:
            raise ValueError(f"the scan {number} of a saved store cannot be: {self.begun} were begun")
        self._scan = self._scans[number] = OpenScan(LogIndex(index), piece[2 + _SCAN.size :])
        self._notes = {}
        self._scans_left -= 1

    def _add_notes(self, piece: bytes) -> None:
        at, end, notes = 2, len(piece), self._notes
        while at < end:
            is_there, key_bytes, value_bytes = _NOTE.unpack_from(piece, at)
            start = at + _NOTE.size
            middle = start + key_bytes
            at = middle + value_bytes
            key = piece[start:middle]
            if at > end or key in notes or (value_bytes and not is_there) or not self._notes_left:
                raise ValueError(f"the notes of a scan are cut, or double, or too many, at {key[:40]!r}")
            notes[key] = piece[middle:at] if is_there else None
            self._notes_left -= 1
        if not self._notes_left and self._scan is not None:
            self._scan.restore_notes(notes, self._values)
            self._notes = {}
