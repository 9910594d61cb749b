"""Datagram format: encodes and decodes datagrams. Does no I/O, and believes nothing.

    magic 3, version 1
    lengths of the three names, 1 each
    incarnation of the sending process 8, of the receiving process 8, sequence number 8
    the names of the cluster, the sending and the receiving node
    body: MessagePack (path, message type, *fields)
    authentication code 16

Sizes in bytes, numbers in network order, names in UTF-8. The sequence counts the datagrams of one sending process to
one receiving process, from 1 on. The authentication code at the end covers everything before it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from coterie.errors import BadMessage, BrokenFrame
from coterie.runtime.datagrams.authentication import CODE_BYTES
from coterie.runtime.datagrams.dropped_datagrams import DropReason
from coterie.runtime.transport.framing.items import ItemPacker, unpack_item

__all__ = ["VERSION", "Datagram", "ProcessName", "encode_header", "header_bytes", "pack_body", "parse", "unpack_body"]

MAGIC: Final = b"\xc0dg"
"""The first bytes of every datagram; 0xC0 begins no text in UTF-8."""

VERSION: Final = 1

_FIXED: Final = struct.Struct(">3sBBBBQQQ")
_NAME_BYTES_MAX: Final = 255

_packer: Final = ItemPacker()


@dataclass(frozen=True, slots=True)
class ProcessName:
    """One process life: its node and incarnation."""

    node: str
    incarnation: int


@dataclass(frozen=True, slots=True)
class Datagram:
    """A datagram that is well formed, and not yet believed.

    `covered`: the bytes that `code` authenticates; the body begins in them at `body_at`.
    """

    cluster: str
    sender: ProcessName
    receiver: ProcessName
    sequence: int
    covered: bytes
    body_at: int
    code: bytes


def header_bytes(cluster: str, sender: str, receiver: str) -> int | None:
    """Return the length of the header with these names; None if they are too long for a datagram."""
    sizes = [len(name.encode()) for name in (cluster, sender, receiver)]
    return None if max(sizes) > _NAME_BYTES_MAX else _FIXED.size + sum(sizes)


def encode_header(cluster: str, sender: ProcessName, receiver: ProcessName, sequence: int) -> bytes:
    """Return the header, with names that `header_bytes` accepts."""
    names = [name.encode() for name in (cluster, sender.node, receiver.node)]
    sizes = map(len, names)
    fixed = _FIXED.pack(MAGIC, VERSION, *sizes, sender.incarnation, receiver.incarnation, sequence)
    return fixed + b"".join(names)


def parse(data: bytes) -> Datagram | DropReason:
    """Return the datagram in `data`, or the reason why there is none. Never raises."""
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 1:
        return DropReason.GARBAGE
    if data[len(MAGIC)] != VERSION:
        return DropReason.VERSION
    if len(data) < _FIXED.size + CODE_BYTES:
        return DropReason.GARBAGE
    _, _, *sizes, sender, receiver, sequence = _FIXED.unpack_from(data)
    body_at = _FIXED.size + sum(sizes)
    covered, code = data[:-CODE_BYTES], data[-CODE_BYTES:]
    if body_at > len(covered):
        return DropReason.GARBAGE
    try:
        cluster, ours, theirs = _names(covered, sizes)
    except UnicodeDecodeError:
        return DropReason.GARBAGE
    return Datagram(cluster, ProcessName(ours, sender), ProcessName(theirs, receiver), sequence, covered, body_at, code)


def _names(covered: bytes, sizes: list[int]) -> list[str]:
    names, at = [], _FIXED.size
    for size in sizes:
        names.append(covered[at : at + size].decode())
        at += size
    return names


def pack_body(path: str, name: str, row: tuple[object, ...]) -> bytes:
    """Return the body with a message of type `name`. TypeError if a field cannot be packed, or is nested too deeply."""
    return _packer.pack((path, name, *row))


def unpack_body(body: bytes) -> tuple[str, str, tuple[object, ...]]:
    """Return (path, type name, row of fields) of a body. BadMessage if it has another form."""
    try:
        item = unpack_item(body)
    except BrokenFrame as error:
        raise BadMessage(f"the body of a datagram: {error}") from error
    if type(item) is tuple and len(item) >= 2:
        path, name, *row = item
        if type(path) is str and type(name) is str:
            return path, name, tuple(row)
    raise BadMessage("the body of a datagram is not an array of a path, a message type and its fields")
