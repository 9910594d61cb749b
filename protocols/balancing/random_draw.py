"""`draw_allowed` and `draw_distinct`: draw targets at random, without a copy of the list of all targets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from coterie.protocols.balancing.policy import NOTHING

__all__ = ["draw_allowed", "draw_distinct"]

TRIES_MAX: Final = 8
"""Draws in vain, because of excluded targets, before the allowed ones are listed: few are excluded as a rule."""


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


def draw_distinct(
    keys: Sequence[str], count: int, rng: random.Random, exclude: AbstractSet[str] = NOTHING
) -> list[str]:
    """Return `count` different keys that are not in `exclude` (all of them if there are fewer), in random order."""
    drawn: list[str] = []
    total, draw = len(keys), rng.random
    if 2 * count < total:  # at most half are drawn already: a draw in vain is the exception
        tries, missing = count + TRIES_MAX, count
        while tries and missing:
            tries -= 1
            key = keys[int(draw() * total)]
            if not (key in exclude or key in drawn):
                drawn.append(key)
                missing -= 1
        if not missing:
            return drawn
    rest = [key for key in keys if key not in exclude and key not in drawn]
    while rest and len(drawn) < count:
        at = int(draw() * len(rest))
        drawn.append(rest[at])
        rest[at] = rest[-1]
        rest.pop()
    return drawn
