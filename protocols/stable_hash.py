"""Stable hash: hashes keys to 64 bits, the same in every process, Python version and machine.

The hash is BLAKE2b (RFC 7693) with a digest of 8 bytes, read as a little-endian number. Text is hashed as UTF-8, so
that "a" and b"a" are the same key. The built-in function for this differs from process to process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

__all__ = ["HASHES", "key_bytes", "mix", "stable_hash", "stable_hashes"]

HASHES: Final = 1 << 64
"""The number of hashes: they are from 0 to `HASHES` - 1."""

_MASK: Final = HASHES - 1
_EIGHT: Final = struct.Struct("<8Q")


def stable_hash(key: str | bytes) -> int:
    """Return the hash of `key`, 0 … `HASHES` - 1."""
    return int.from_bytes(blake2b(key_bytes(key), digest_size=8).digest(), "little")


def stable_hashes(key: str | bytes, count: int) -> list[int]:
    """Return the first `count` hashes of a sequence that `key` determines: eight from each salted digest."""
    return [number for salt in range((count + 7) // 8) for number in _eight(key, salt)][:count]


def mix(number: int) -> int:
    """Return a hash of a 64-bit number: the output function of SplitMix64 (Steele, Lea and Flood, 2014)."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return number ^ (number >> 31)


def _eight(key: str | bytes, salt: int) -> Iterator[int]:
    return iter(_EIGHT.unpack(blake2b(key_bytes(key), digest_size=64, salt=salt.to_bytes(8, "little")).digest()))


def key_bytes(key: str | bytes) -> bytes:
    """Return the bytes that are hashed: text as UTF-8, whose order is that of the text's code points."""
    return key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
