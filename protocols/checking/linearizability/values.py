"""What histories are made of: plain immutable values that compare by content and survive JSON.

A `Datum` is None, a bool, an int, a finite float, a str, bytes, or a tuple of those. In JSON a tuple is a list, and
bytes are `{"bytes": text}`, a character for a byte (Latin-1), so that ASCII stays legible.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final, TypeAlias

__all__ = ["UNKNOWN", "Datum", "Key", "Output", "Unknown", "from_json", "is_datum", "is_key", "to_json"]

Datum: TypeAlias = bool | int | float | str | bytes | tuple["Datum", ...] | None

Key: TypeAlias = str | bytes | int | None
"""What an operation is about; operations on different keys do not touch each other. None: there is one object only."""


class Unknown(Enum):
    """The type of `UNKNOWN`, which is no value of any other type."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN
"""In place of an output: nobody saw it."""

Output: TypeAlias = Datum | Unknown


def is_datum(value: object) -> bool:
    """Tell whether `value` may stand in a history. A float must be finite: NaN does not even equal itself."""
    if isinstance(value, tuple):
        return all(is_datum(part) for part in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, int, str, bytes))


def is_key(value: object) -> bool:
    """Tell whether `value` may be a key (True is refused: it equals 1)."""
    return value is None or (isinstance(value, (str, bytes, int)) and not isinstance(value, bool))


def to_json(value: Datum) -> object:
    """Return `value` as the json module takes it."""
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    if isinstance(value, bytes):
        return {"bytes": value.decode("latin-1")}
    return value


def from_json(value: object) -> Datum:
    """Return what `to_json` was given. ValueError if `value` is nothing that it returns."""
    if isinstance(value, list):
        return tuple(from_json(part) for part in value)
    if isinstance(value, dict):
        return _bytes(value)
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"{value!r} is no datum")


def _bytes(value: dict[object, object]) -> bytes:
    text = value.get("bytes")
    if len(value) != 1 or not isinstance(text, str):
        raise ValueError(f'{value!r} is no datum: an object is {{"bytes": text}}')
    return text.encode("latin-1")
