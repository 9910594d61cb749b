"""Root error: defines `CoterieError`, and `Outcome`: whether a failed operation has happened."""

from __future__ import annotations

import enum

__all__ = ["CoterieError", "Outcome"]


class Outcome(enum.Enum):
    """The outcome of an operation that ended with an error.

    DEFINITE: it did not happen, and will not: it may be repeated.
    UNKNOWN: it may have happened, or may still happen.
    HAPPENED: it happened, for certain; only its result is missing, or is an error. To repeat it would do it again.
    """

    DEFINITE = "definite"
    UNKNOWN = "unknown"
    HAPPENED = "happened"


class CoterieError(Exception):
    """The base class of all errors that coterie raises on purpose.

    `outcome`: the operation definitely did not happen, may have happened, or has happened.
    `for_clients`: what a client of the cluster gets instead of the text, if it is the answer to an ask; None: the text.
    """

    outcome: Outcome = Outcome.DEFINITE
    for_clients: str | None = None
