"""`unpack_value`: decodes MessagePack that comes from outside this node, without letting it choose what a lookup costs.

Python finds a key by its hash. Those of str and bytes differ from process to process; those of tuples and floats can be
computed, so that a map of a few hundred kilobytes, all of whose keys collide, would hold the event loop for a second.
Keys are therefore None, bool, int, str or bytes; of ints at most a handful collide.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

__all__ = ["unpack_value"]

_KEY_TYPES: Final = frozenset((type(None), bool, int, str, bytes))


def unpack_value(data: bytes | bytearray) -> Any:
    """Return the value in `data`; arrays are tuples.

    Raises:
        ValueError, TypeError, msgpack.UnpackException: it does not decode, or a map has a key of another type. What
            a hostile payload makes msgpack raise is not a closed list.
    """
    return msgpack.unpackb(data, use_list=False, strict_map_key=False, object_pairs_hook=_map_of)


def _map_of(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return the map of these pairs, none of whose keys has been hashed before."""
    for key, _ in pairs:
        if type(key) not in _KEY_TYPES:
            raise ValueError(f"a map has a key of type {type(key).__name__}: keys are None, bool, int, str or bytes")
    return dict(pairs)
