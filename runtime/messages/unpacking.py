"""`unpack_value`: decodes MessagePack that comes from outside this node, and bounds what that costs by its size.

* **Keys.** Python finds a key by its hash. Those of str and bytes differ from process to process; those of tuples,
  floats and ints can be computed, so that a map of a few hundred kilobytes, all of whose keys collide, would hold the
  event loop for seconds. Keys are therefore None, bool, int, str or bytes, and a map has at most `INT_KEYS_MAX` ints.
* **Lengths.** msgpack reserves memory for the length that an array announces, and arrays can be nested a thousand deep:
  500 nested headers that each announce all bytes of a value would reserve 4,000 times its size. Above `WALKED_BYTES` a
  value is therefore walked first, which builds nothing and ends where an announced item is missing.
* **Parts.** An empty map takes one byte on the wire and 80 in memory. Above `COUNTED_BYTES` parts are counted: an array
  is one, a map four, each entry of a map two more; `parts_max` are allowed. A decoded value then takes up to about 30
  times its size, and 2 MB; the parts of shorter values cost at most some 9 MB, and 40 ms. What costs more is a list of
  many numbers from -32 to -6, up to 55 times its size: each is one byte, and an int of its own. It is not refused:
  msgpack has no hook for numbers, and such a list is an honest value, too. (`benchmarks/fuzzing/decoding_cost.py`)
* **Extension types** are refused: nothing here sends them, and each would be a call of Python.

A sender asks `allowed_parts` first, so that a receiver refuses nothing that our own code has sent. Values from a log
are decoded by `unpack_recorded`, which does not count: what was accepted once, perhaps by an earlier release, stays
readable.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any, Final, NoReturn

import msgpack

__all__ = [
    "COUNTED_BYTES",
    "INT_KEYS_MAX",
    "RecordedUnpacker",
    "allowed_parts",
    "parts_max",
    "unpack_recorded",
    "unpack_value",
]

WALKED_BYTES: Final = 1024
"""Up to this size, false lengths reserve at most 3 MB: fewer headers fit in, and none may announce more items than
there are bytes."""

COUNTED_BYTES: Final = 64 * 1024
"""Up to this size a value may have as many parts as fit in."""

_FRAMING_BYTES: Final = 16
"""What the array around the items of a frame may add to an item that is not counted yet."""

_MAP_PARTS: Final = 4
_ENTRY_PARTS: Final = 2

_FREE_PARTS: Final = 32_768
_BYTES_PER_PART: Final = 8

_PLAIN_LEVELS: Final = 3
_PLAIN_ITEMS: Final = 32

_REST_BYTES: Final = _FREE_PARTS // _MAP_PARTS
"""No value of so many bytes has more parts than every value may have."""

INT_KEYS_MAX: Final = 1024
"""The most int keys of one map: those that all collide take 2 ms. A sender refuses more, see `value_codecs`."""

_KEY_TYPES: Final = frozenset((type(None), bool, int, str, bytes))
_KEY: Final = itemgetter(0)

_ENTRIES_AT_ONCE: Final = 4096
"""The pairs of a larger map are released in steps: otherwise they would stand in memory beside the whole map."""

_HEADS: Final = bytes((*range(0x80, 0xA0), *range(0xDC, 0xE0)))
"""MessagePack: the first bytes of maps and arrays."""

_OTHERS: Final = bytes(set(range(256)) - set(_HEADS))
_SHORT_ARRAYS: Final = bytes(range(0x90, 0xA0))
_LONG_ARRAYS: Final = b"\xdc\xdd"


def unpack_value(data: bytes | bytearray) -> Any:
    """Return the value in `data`; arrays are tuples.

    Raises:
        ValueError, TypeError, msgpack.UnpackException: it does not decode, it has more than `parts_max`, or a map has a
            key of another type. What a hostile payload makes msgpack raise is not a closed list.
    """
    if len(data) <= WALKED_BYTES:
        return _unpackb(data, object_pairs_hook=_map_of)
    _walk(data)
    if len(data) <= COUNTED_BYTES + _FRAMING_BYTES:
        return _unpackb(data, object_pairs_hook=_map_of)
    parts = _Parts(parts_max(len(data)) + 1)  # one for the array around the item that the sender has counted
    entries_max = parts.left // _ENTRY_PARTS
    return _unpackb(data, object_pairs_hook=parts.map_of, list_hook=parts.array_of, max_map_len=entries_max)


def unpack_recorded(data: bytes | bytearray) -> Any:
    """Return the value in `data`, which is from a log, or was made by our own code: its parts are not counted.

    Raises:
        ValueError, TypeError, msgpack.UnpackException: see `unpack_value`.
    """
    if len(data) > WALKED_BYTES:
        _walk(data)
    return _unpackb(data, object_pairs_hook=_recorded_map)


class RecordedUnpacker:
    """Unpacks as `unpack_recorded` does; a short value in half the time, because it keeps one `msgpack.Unpacker`."""

    def __init__(self) -> None:
        self._begin()

    def unpack(self, data: bytes) -> Any:
        """Return the value in `data`. Raises what `unpack_recorded` raises; which of it, may differ."""
        if len(data) > WALKED_BYTES:
            return unpack_recorded(data)
        try:
            self._feed(data)
            value = self._unpack()
            self._end += len(data)
            if self._tell() != self._end:
                raise msgpack.UnpackValueError("bytes follow the value")
        except BaseException:
            self._begin()  # what was not read must not stand before the next value
            raise
        return value

    def _begin(self) -> None:
        unpacker = msgpack.Unpacker(object_pairs_hook=_recorded_map, max_buffer_size=WALKED_BYTES, **_STRICT)
        self._feed, self._unpack, self._tell = unpacker.feed, unpacker.unpack, unpacker.tell
        self._end = 0


def parts_max(size_bytes: int) -> int:
    """Return how many parts a value of that size, above `COUNTED_BYTES`, may have."""
    return _FREE_PARTS + size_bytes // _BYTES_PER_PART


def allowed_parts(packed: bytes, value: object = None) -> int | None:
    """Return how many parts a packed value may have if it has more, so that a receiver would refuse it; None if not.

    `value`: what was packed, if it is at hand: most large ones are one text, or one bytes, which need not be counted.

    Raises:
        ValueError, TypeError, msgpack.UnpackException: `packed` is from outside, and does not decode.
    """
    size = len(packed)
    if size <= COUNTED_BYTES or size - _plain_bytes(value, _PLAIN_LEVELS) <= _REST_BYTES:
        return None
    if _most_parts(packed) <= parts_max(size):
        return None
    _walk(packed)
    parts = _Parts(parts_max(size))
    try:
        _unpackb(packed, object_pairs_hook=parts.map_of, list_hook=parts.array_of)
    except _TooManyParts:
        return parts_max(size)
    return None


def _refuse_extension(code: int, data: bytes) -> NoReturn:
    raise ValueError(f"an extension type ({code}) where a value is due")


_STRICT: Final[dict[str, Any]] = {
    "use_list": False,
    "strict_map_key": False,
    "max_ext_len": 0,
    "ext_hook": _refuse_extension,
}
_unpackb: Final[Callable[..., Any]] = partial(msgpack.unpackb, **_STRICT)


def _walk(data: bytes | bytearray) -> None:
    """Raise an msgpack.UnpackException if an item that `data` announces is not there."""
    walker = msgpack.Unpacker(max_buffer_size=len(data))
    walker.feed(data)
    walker.skip()


def _plain_bytes(value: object, levels: int) -> int:
    """Return a lower bound of the bytes of the texts and bytes in the first levels of a value."""
    if isinstance(value, (bytes, str)):
        return len(value)
    if isinstance(value, (tuple, list)) and levels:
        return sum(_plain_bytes(part, levels - 1) for part in value[:_PLAIN_ITEMS])
    return 0


def _most_parts(packed: bytes) -> int:
    """Return a bound of the parts that is found in a fraction of the time: every byte that may begin one counts."""
    heads = packed.translate(None, _OTHERS)
    arrays = len(heads) - len(heads.translate(None, _SHORT_ARRAYS + _LONG_ARRAYS))
    return arrays if arrays == len(heads) else len(packed)


class _TooManyParts(ValueError):
    """A value has more parts than its size allows."""


class _Parts:
    """Counts the parts of one value while it is decoded. `left`: how many more it may have."""

    __slots__ = ("_most", "left")

    def __init__(self, most: int) -> None:
        self._most = most
        self.left = most

    def array_of(self, items: tuple[Any, ...]) -> tuple[Any, ...]:
        """Count an array."""
        self.left -= 1
        if self.left < 0:
            raise self._too_many()
        return items

    def map_of(self, pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
        """Count a map, and return it."""
        self.left -= _MAP_PARTS + _ENTRY_PARTS * len(pairs)
        if self.left < 0:
            raise self._too_many()
        return _map_of(pairs)

    def _too_many(self) -> _TooManyParts:
        return _TooManyParts(f"more than {self._most} parts (an array is one, a map four, an entry of a map two)")


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the map of these pairs, none of whose keys has been hashed before; `pairs` may be empty afterwards."""
    _check_types(pairs)
    if len(pairs) > INT_KEYS_MAX:
        ints = sum(type(key) is int for key, _ in pairs)
        if ints > INT_KEYS_MAX:
            raise ValueError(f"a map has {ints} keys of type int, which may collide: at most {INT_KEYS_MAX}")
    return _made_map(pairs)


def _recorded_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the map of these pairs from a log: its keys have been checked before."""
    _check_types(pairs)
    return _made_map(pairs)


def _made_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(pairs) <= _ENTRIES_AT_ONCE:
        return dict(pairs)
    found: dict[Any, Any] = {}
    pairs.reverse()
    while pairs:
        found.update(reversed(pairs[-_ENTRIES_AT_ONCE:]))
        del pairs[-_ENTRIES_AT_ONCE:]
    return found


def _check_types(pairs: list[tuple[Any, Any]]) -> None:
    if not _KEY_TYPES.issuperset(map(type, map(_KEY, pairs))):
        found_type = next(type(key) for key, _ in pairs if type(key) not in _KEY_TYPES)
        raise ValueError(f"a map has a key of type {found_type.__name__}: keys are None, bool, int, str or bytes")
