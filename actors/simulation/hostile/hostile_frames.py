"""`hostile_payload`: draws payloads that are no array of rows, parts of chunked items, and frames of many items."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.framing.chunks import CHUNK_MARK, encode_chunk

__all__ = ["begun_chunk", "hostile_payload"]

CHUNK_BYTES: Final = 20_000
CLAIMED_BYTES: Final = 50 * 1024 * 1024
ITEMS_MAX: Final = 3_000


def begun_chunk(rng: random.Random, lane_class: int) -> bytes:
    """Draw the first part of an item whose rest never comes."""
    lane = Lane.BULK if lane_class else rng.choice((Lane.CONTROL, Lane.CONSENSUS))
    part = rng.randbytes(rng.randrange(1, CHUNK_BYTES))
    return encode_chunk(lane, part, 0, len(part) // 2 + 1)


def hostile_payload(rng: random.Random, payload: bytes, *, items_max: int = ITEMS_MAX) -> bytes:
    """Draw a payload that ends the link, or costs much for its size.

    `payload`: a valid one. `items_max`: the most tiny items in one payload.
    """
    draw = rng.choice(_DRAWS)
    return _many(rng, items_max) if draw is None else draw(rng, payload)


def _mutated(rng: random.Random, payload: bytes) -> bytes:
    changed = bytearray(payload)
    for _ in range(rng.randrange(1, 4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(rng: random.Random, payload: bytes) -> bytes:
    return payload[: rng.randrange(len(payload))]


def _nested(rng: random.Random, payload: bytes) -> bytes:
    return b"\x91" * rng.choice((100, 1000, 3000)) + b"\xc0"


def _claimed(rng: random.Random, payload: bytes) -> bytes:
    """Draw an array, map, text or extension that claims more than there is."""
    return b"\x91" + rng.choice((b"\xdd", b"\xdf", b"\xdb", b"\xc9")) + b"\xff\xff\xff\xf0" + payload


def _many(rng: random.Random, items_max: int) -> bytes:
    item = rng.choice((b"\xc0", b"\x90", b"\x80", b"\x91\xc0", b"\x92\x10\xc0"))
    count = rng.randrange(1, items_max)
    return b"\xdd" + count.to_bytes(4, "big") + item * count


def _keys(rng: random.Random, payload: bytes) -> bytes:
    key = rng.choice((b"\x90", b"\xcb" + rng.randbytes(8), b"\x80"))
    return b"\x91\x81" + key + b"\xc0"


def _chunk(rng: random.Random, payload: bytes) -> bytes:
    """Draw a part that belongs to no item, to another lane, or to an item beyond every cap."""
    lane, to_come = rng.randrange(256), rng.choice((0, 1, CLAIMED_BYTES, 2**32 - 1))
    return CHUNK_MARK + bytes((lane,)) + to_come.to_bytes(4, "big") + rng.randbytes(rng.randrange(20))


def _noise(rng: random.Random, payload: bytes) -> bytes:
    return rng.randbytes(rng.randrange(1, 200))


_DRAWS: Final[Sequence[Callable[[random.Random, bytes], bytes] | None]] = (
    _mutated,
    _mutated,
    _cut,
    _nested,
    _claimed,
    None,  # see `_many`
    _keys,
    _chunk,
    _noise,
)
