"""`Datum`: defines the values that a history may hold, checks them, and converts them to JSON and back.

Values are plain, immutable and compared by content.

A `Datum` is None, a bool, an int, a finite float, a str, bytes, or a tuple of those. In JSON a tuple is a list, and
bytes are `{"bytes": text}`, one character for each byte (Latin-1), so that ASCII stays readable.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["UNKNOWN", "Datum", "Key", "Output", "Unknown", "from_json", "is_datum", "is_key", "to_json"]

Datum: TypeAlias = bool | int | float | str | bytes | tuple["Datum", ...] | None

Key: TypeAlias = str | bytes | int | None
"""The key of an operation's object; operations on different keys are independent. None: there is only one object."""


class Unknown(Enum):
    """The type of `UNKNOWN`, which equals no value of any other type."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""In place of an output: it was not observed."""

Output: TypeAlias = Datum | Unknown


def is_datum(value: object) -> bool:
    """Return whether `value` may be in a history. A float must be finite: NaN does not even equal itself."""
    if isinstance(value, tuple):
        return all(is_datum(part) for part in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, int, str, bytes))


def is_key(value: object) -> bool:
    """Return whether `value` may be a key (True is refused: it equals 1)."""
    return value is None or (isinstance(value, (str, bytes, int)) and not isinstance(value, bool))


def to_json(value: Datum) -> object:
    """Return `value` as data for the json module."""
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    return value


def from_json(value: object) -> Datum:
    """Return the value from which `to_json` made `value`. ValueError if there is none."""
    if isinstance(value, list):
        return tuple(from_json(part) for part in value)
    if isinstance(value, dict):
        return _bytes(value)
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{value!r} is not a datum")


def _bytes(value: dict[object, object]) -> bytes:
    text = value.get("bytes")
    if len(value) != 1 or not isinstance(text, str):
        raise ValueError(f'{value!r} is not a datum: an object must be {{"bytes": text}}')
    return text.encode("latin-1")
