"""`is_plausible_jump`: tells numbers that an honest node can have reached from those that would end a group for good.

Terms and ballots only grow, and a node adopts every higher one that it hears. So one letter with the largest number
that the wire can carry would leave no room for any later election: the number becomes durable everywhere. A number that
is too far ahead of the own one is therefore not believed, not even of a member: it is damaged, or it lies.
"""

from __future__ import annotations

from typing import Final

__all__ = ["JUMP_MAX", "STAMP_JUMP_MAX_MS", "is_plausible_jump"]

JUMP_MAX: Final = 2**32
"""How far a term or ballot may be ahead of the own one: ten elections a second, for thirteen years."""

STAMP_JUMP_MAX_MS: Final = 2**40
"""How far the stamp of a new entry may be ahead of the newest known one: thirty-four years."""


def is_plausible_jump(own: int, heard: int) -> bool:
    """Return whether a node at `own` may believe a member that says `heard`."""
    return heard <= own + JUMP_MAX
