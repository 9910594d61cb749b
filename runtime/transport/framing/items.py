"""Items: packs the data sent in one event-loop tick into payloads (MessagePack arrays), and unpacks them. Does no I/O.

An item is any MessagePack value: None, bool, int (64 bit), float, str, bytes, arrays and maps of those. Keys of maps
are None, bool, int, str or bytes. Arrays arrive as tuples: decoding is faster than to lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgpack

from coterie.errors import BrokenFrame
from coterie.runtime.messages.unpacking import COUNTED_BYTES, unpack_value
from coterie.runtime.observing.error_texts import error_line

__all__ = [
    "ARRAY_HEADER_BYTES",
    "EMPTY",
    "ITEMS_MAX",
    "PACK_ERRORS",
    "SHORT_BYTES",
    "ItemPacker",
    "join",
    "split_items",
    "unpack_item",
    "unpack_items",
]

ARRAY_HEADER_BYTES = 5
"""The longest header of the array around the items."""

ITEMS_MAX = 1024
"""Most items in one payload: they are handled without a break, in about a millisecond."""

EMPTY = b"\x90"
"""The payload without items: a keep-alive."""

# msgpack packs up to 1025 levels but unpacks only 1024, of which the array around the items takes one. An item that is
# shorter than this cannot nest too deeply:
SHORT_BYTES = 1024
"""An item that packs into fewer bytes needs no `ItemPacker.check`."""

PACK_ERRORS = (TypeError, ValueError, OverflowError)
"""The errors of `ItemPacker.pack_short`."""


_FLAT: Final = frozenset((type(None), bool, int, float, str, bytes))


class ItemPacker:
    """Packs one item at a time, so that a bad item fails only its own send."""

    __slots__ = ("pack_short",)

    def __init__(self) -> None:
        self.pack_short: Callable[[object], bytes] = msgpack.Packer().pack
        """MessagePack's own method, for the hot path. Its result may be sent if it is shorter than `SHORT_BYTES`, or
        after `check`. If it raises, `pack` raises a TypeError that names the part."""

    def pack(self, item: object) -> bytes:
        """Return the packed item. TypeError, naming the part, if MessagePack cannot encode it."""
        try:
            packed = self.pack_short(item)
        except PACK_ERRORS as error:
            raise _unpackable(item, error) from error
        if len(packed) >= SHORT_BYTES:
            self.check(item)
        return packed

    def check(self, item: object) -> None:
        """Check that the other end can unpack an item. TypeError if it is nested too deeply."""
        if type(item) is tuple and _FLAT.issuperset(map(type, item)):
            return  # flat, as most long messages are: packing again would double the cost
        try:
            self.pack_short(((item,),))  # fails where the other end would
        except PACK_ERRORS as error:
            raise _unpackable(item, error) from error


def join(packed: list[bytes]) -> bytes:
    """Return the payload that holds these packed items, in order."""
    count = len(packed)
    if count < 16:
        header = bytes((0x90 | count,))
    elif count < 65_536:
        header = b"\xdc" + count.to_bytes(2, "big")
    else:
        header = b"\xdd" + count.to_bytes(4, "big")
    return header + b"".join(packed)


def split_items(packed: Iterable[bytes], soft_bytes: int) -> Iterator[list[bytes]]:
    """Split packed items, in order, into lists of at most `soft_bytes` and `ITEMS_MAX`; a larger item goes alone.

    No list of several items is so long that the receiver counts its parts: the sender has checked single items only.
    """
    soft_bytes = min(soft_bytes, COUNTED_BYTES)
    batch: list[bytes] = []
    size = 0
    for item in packed:
        if batch and (size + len(item) > soft_bytes or len(batch) >= ITEMS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += len(item)
    if batch:
        yield batch


def unpack_item(packed: bytes | bytearray) -> object:
    """Return one item that was packed alone. BrokenFrame if msgpack cannot decode it."""
    return _unpack(packed)


def unpack_items(payload: bytes) -> list[object]:
    """Return the items of a payload.

    What that costs is bounded by its size: see `unpacking.py`.

    Raises:
        BrokenFrame: it is not a MessagePack array, msgpack cannot decode it, or it has more than `ITEMS_MAX` items.
    """
    items = _unpack(payload)
    if type(items) is not tuple:
        raise BrokenFrame(f"a payload holds a {type(items).__name__}, not an array of items")
    if len(items) > ITEMS_MAX:  # a frame of tiny bad rows would hold the loop for seconds: some 13 µs for each
        raise BrokenFrame(f"a payload holds {len(items)} items, at most {ITEMS_MAX} are sent together")
    return list(items)


def _unpack(packed: bytes | bytearray) -> object:
    try:
        return unpack_value(packed)
    except Exception as error:  # what a hostile payload makes msgpack raise is not a closed list
        raise BrokenFrame(f"a payload of {len(packed)} bytes does not decode: {error_line(error)}") from error


def _unpackable(item: object, error: Exception) -> TypeError:
    return TypeError(f"an item cannot be packed: {_unpackable_part(item, 'item', 0) or error}")


def _unpackable_part(value: object, path: str, depth: int) -> str | None:
    """Return which part of `value` cannot be packed, and why; None if it cannot be determined."""
    if depth > 32:
        return None
    if isinstance(value, dict):
        parts = [(key, f"a key of {path}") for key in value] + [(v, f"{path}[{k!r}]") for k, v in value.items()]
    elif isinstance(value, (list, tuple)):
        parts = [(part, f"{path}[{at}]") for at, part in enumerate(value)]
    else:
        return _complaint(value, path)
    return next((found for part, name in parts if (found := _unpackable_part(part, name, depth + 1))), None)


def _complaint(value: object, path: str) -> str | None:
    try:
        msgpack.packb(value)
    except (TypeError, ValueError, OverflowError) as error:
        return f"{path} is a {type(value).__module__}.{type(value).__qualname__} ({error})"
    return None
