"""`draw_allowed` and `draw_distinct`: draw targets at random, without a copy of the list of all targets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["draw_allowed", "draw_distinct"]

TRIES_MAX: Final = 8
"""Draws that may hit an excluded target, before the allowed ones are listed: few targets are excluded as a rule."""


def draw_allowed(keys: Sequence[str], exclude: AbstractSet[str], rng: random.Random) -> str | None:
    """Return one of `keys` that is not in `exclude`, each with the same chance; None if there is none."""
    count = len(keys)
    if count == 0:
        return None
    for _ in range(TRIES_MAX):
        key = keys[int(rng.random() * count)]
        if key not in exclude:
            return key
    allowed = [key for key in keys if key not in exclude]
    return allowed[int(rng.random() * len(allowed))] if allowed else None


def draw_distinct(keys: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Return `count` different keys (all of them if there are fewer), each set with the same chance."""
    if 2 * count >= len(keys):
        return rng.sample(keys, min(count, len(keys)))
    drawn: list[str] = []
    while len(drawn) < count:  # at most half are drawn already, so a draw is new with a chance above one half
        key = keys[int(rng.random() * len(keys))]
        if key not in drawn:
            drawn.append(key)
    return drawn
