"""Several byte strings as one, and back: `>I` count, `>I` length of each, then all of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

__all__ = ["join", "split"]

_COUNT = struct.Struct(">I")


def join(kind: int, parts: Sequence[bytes]) -> bytes:
    """Put `parts` together behind the byte `kind`."""
    count = len(parts)
    return b"".join((bytes((kind,)), struct.pack(f">{count + 1}I", count, *map(len, parts)), *parts))


def split(data: bytes) -> list[bytes]:
    """Take apart what `join` made, whatever its kind. ValueError for anything else."""
    try:
        (count,) = _COUNT.unpack_from(data, 1)
        at = 1 + _COUNT.size * (count + 1)
        if at > len(data):  # before anything of that size is made
            raise ValueError(f"{count} parts of a kind {data[0]} do not fit into {len(data)} bytes")
        lengths = struct.unpack_from(f">{count}I", data, 1 + _COUNT.size)
    except struct.error as error:
        raise ValueError(f"{len(data)} bytes are no parts of a kind {data[:1]!r}") from error
    parts = []
    for length in lengths:
        parts.append(data[at : at + length])
        at += length
    if at != len(data):
        raise ValueError(f"the parts of a kind {data[0]} take {at} bytes, not {len(data)}")
    return parts
