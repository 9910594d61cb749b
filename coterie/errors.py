"""Every error of coterie: one root, blame in the type, facts in the attributes.

This module imports the standard library only; it is the one leaf that everything else may import.

`Outcome` answers the one question a caller of a distributed system has after an error: did it happen?
"""

from __future__ import annotations

import enum

__all__ = [
    "CoterieError",
    "InvariantViolated",
    "Outcome",
]


class Outcome(enum.Enum):
    """What an error says about the operation it ended."""

    DEFINITE = "definite"  # it did not happen, and will not
    UNKNOWN = "unknown"  # it may have happened, or may still happen


class CoterieError(Exception):
    """The root of all errors that coterie raises on purpose.

    `outcome` says whether the operation definitely did not happen or may have happened.
    """

    outcome: Outcome = Outcome.DEFINITE


class InvariantViolated(CoterieError):
    """A safety invariant of an algorithm does not hold: the group halts and is never restarted into this state."""

    outcome = Outcome.UNKNOWN
