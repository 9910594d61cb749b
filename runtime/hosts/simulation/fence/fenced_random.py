"""Chance inside the fence: the life's own generator."""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable
from typing import Any, Final

from coterie.runtime.hosts.simulation.fence.patches import Patch, Senses, replaced

__all__ = ["chance"]

_UUID_EPOCH_S: Final = 12_219_292_800  # RFC 9562 §5.1: from 1582-10-15 to 1970-01-01


def chance(senses: Senses) -> list[Patch]:
    """Return the patches of `random`, `os.urandom` and `uuid1`; `secrets` and `uuid4` follow from them."""

    def entropy(size: int, flags: int = 0) -> bytes:
        del flags
        return senses.chance().randbytes(size)

    patches = [replaced(random, name, _drawing(senses, name)) for name in _global_functions()]
    patches += [replaced(random, "_urandom", entropy), replaced(os, "urandom", entropy)]
    patches += [replaced(os, "getrandom", entropy)] if hasattr(os, "getrandom") else []
    patches += [Patch(random.Random, "seed", _seeding(senses)), replaced(uuid, "uuid1", _uuid1(senses))]
    return patches


def _global_functions() -> list[str]:
    """Name the functions of the module `random`: each is a method of one hidden generator."""
    hidden = vars(random)["_inst"]
    return [name for name, value in sorted(vars(random).items()) if getattr(value, "__self__", None) is hidden]


def _drawing(senses: Senses, name: str) -> Callable[..., Any]:
    def draw(*args: Any, **options: Any) -> Any:
        return getattr(senses.chance(), name)(*args, **options)  # another life's at each call

    return draw


def _seeding(senses: Senses) -> Callable[[Any, Callable[[], bool]], Any]:
    """Let a generator made without a seed, `random.Random()`, take its seed from the life's."""

    def make(original: Any, is_inside: Callable[[], bool]) -> Any:
        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            original(self, senses.chance().getrandbits(128) if a is None and is_inside() else a, version)

        seed.fenced_from = original  # type: ignore[attr-defined]  # as in `replaced`
        return seed

    return make


def _uuid1(senses: Senses) -> Callable[..., uuid.UUID]:
    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        ticks = round((senses.wall() + _UUID_EPOCH_S) * 10_000_000)
        rng = senses.chance()
        sequence = rng.getrandbits(14) if clock_seq is None else clock_seq
        who = rng.getrandbits(48) | 1 << 40 if node is None else node  # RFC 9562 §6.10: a random one is a multicast
        fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF, sequence >> 8 & 0x3F, sequence & 0xFF)
        return uuid.UUID(fields=(*fields, who), version=1)

    return uuid1
