"""Length-prefixed encoding: encodes a list of byte strings with their number and lengths in front, and decodes it.

The format: a kind byte, `>I` count, `>I` length of each byte string, then the byte strings.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

__all__ = ["join_parts", "joined_bytes", "part_lengths", "split_parts"]

_COUNT = struct.Struct(">I")


def join_parts(kind: int, parts: Sequence[bytes], heads: Sequence[bytes] | None = None) -> bytes:
    """Encode `parts` behind the byte `kind`; `heads`: as many bytes strings, each of which begins its part."""
    count = len(parts)
    if heads is None:
        return b"".join((bytes((kind,)), struct.pack(f">{count + 1}I", count, *map(len, parts)), *parts))
    lengths = map(int.__add__, map(len, heads), map(len, parts))
    pieces = itertools.chain.from_iterable(zip(heads, parts, strict=True))
    return b"".join((bytes((kind,)), struct.pack(f">{count + 1}I", count, *lengths), *pieces))


def joined_bytes(parts: Sequence[bytes]) -> int:
    """Return the length of the output of `join_parts`."""
    return 1 + _COUNT.size * (1 + len(parts)) + sum(map(len, parts))


def part_lengths(data: bytes) -> tuple[int, tuple[int, ...]]:
    """Return where the first part begins in the output of `join_parts`, and the lengths of all parts.

    Raises:
        ValueError: `data` is nothing else; whether the parts fill it exactly is not checked.
    """
    try:
        (count,) = _COUNT.unpack_from(data, 1)
        at = 1 + _COUNT.size * (count + 1)
        if at > len(data):  # checked before anything of that size is allocated
            raise ValueError(f"{count} parts of kind {data[0]} do not fit into {len(data)} bytes")
        return at, struct.unpack_from(f">{count}I", data, 1 + _COUNT.size)
    except struct.error as error:
        raise ValueError(f"{len(data)} bytes of kind {data[:1]!r} are no length-prefixed list") from error


def split_parts(data: bytes) -> list[bytes]:
    """Decode the output of `join_parts`, of any kind. ValueError for anything else."""
    at, lengths = part_lengths(data)
    parts = []
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    if at != len(data):
        raise ValueError(f"the parts of kind {data[0]} take {at} bytes, not {len(data)}")
    return parts
