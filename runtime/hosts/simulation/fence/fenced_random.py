"""Fenced random numbers: makes `random`, `os.urandom`, `uuid` … use the simulated process's seeded generator."""

from __future__ import annotations

import hashlib
import os
import random
import ssl
import tempfile
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

from coterie.runtime.hosts.simulation.fence.patches import FencedEnvironment, FencePatch, function_patch

__all__ = ["random_patches"]

_UUID_EPOCH_S: Final = 12_219_292_800  # RFC 9562 §5.1: from 1582-10-15 to 1970-01-01


def random_patches(environment: FencedEnvironment) -> list[FencePatch]:
    """Return the patches of `random`, `os.urandom`, `uuid1` and the like; `secrets` and `uuid4` follow from them."""

    def entropy(size: int, flags: int = 0) -> bytes:
        del flags
        return environment.rng().randbytes(size)

    patches = [function_patch(random, name, _drawing(environment, name)) for name in _global_functions()]
    patches += [function_patch(random, "_urandom", entropy), function_patch(os, "urandom", entropy)]
    patches += [function_patch(os, "getrandom", entropy)] if hasattr(os, "getrandom") else []
    patches += [
        FencePatch(random.Random, "seed", _seeding(environment)),
        function_patch(uuid, "uuid1", _uuid1(environment)),
        function_patch(uuid, "getnode", lambda: _node_id(environment.name())),
        function_patch(ssl, "RAND_bytes", entropy),
        function_patch(tempfile, "_get_candidate_names", lambda: _names(environment)),
    ]
    return patches


def _node_id(name: str) -> int:
    """Return the hardware address of a node: 48 bits with the multicast bit, as of a machine without one (RFC 9562)."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:6], "big") | 1 << 40


def _names(environment: FencedEnvironment) -> Iterator[str]:
    """Yield names of temporary files: those of the process, once made, are drawn from the machine's entropy."""
    while True:
        yield "".join(environment.rng().choices("abcdefghijklmnopqrstuvwxyz0123456789_", k=8))


def _global_functions() -> list[str]:
    """Return the names of the functions of the module `random`: each is a method of one hidden generator."""
    hidden = vars(random)["_inst"]
    return [name for name, value in sorted(vars(random).items()) if getattr(value, "__self__", None) is hidden]


def _drawing(environment: FencedEnvironment, name: str) -> Callable[..., Any]:
    def draw(*args: Any, **options: Any) -> Any:
        return getattr(environment.rng(), name)(*args, **options)  # looked up at each call: the life may differ

    return draw


def _seeding(environment: FencedEnvironment) -> Callable[[Any, Callable[[], bool]], Any]:
    """Seed a generator made without a seed, `random.Random()`, from the current life's generator."""

    def make(original: Any, is_inside: Callable[[], bool]) -> Any:
        def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
            original(self, environment.rng().getrandbits(128) if a is None and is_inside() else a, version)

        seed.fenced_from = original  # type: ignore[attr-defined]  # as in `function_patch`
        return seed

    return make


def _uuid1(environment: FencedEnvironment) -> Callable[..., uuid.UUID]:
    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        ticks = round((environment.wall() + _UUID_EPOCH_S) * 10_000_000)
        rng = environment.rng()
        sequence = rng.getrandbits(14) if clock_seq is None else clock_seq
        # RFC 9562 §6.10: a random node id has the multicast bit set.
        node_id = rng.getrandbits(48) | 1 << 40 if node is None else node
        fields = (ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF, sequence >> 8 & 0x3F, sequence & 0xFF)
        return uuid.UUID(fields=(*fields, node_id), version=1)

    return uuid1
