"""`Coding`: says how the values of one class, which is no message, become values that MessagePack can carry, and back.

    class        wire              for example
    datetime     str               2026-11-30T13:05:39.000250+01:00
    date         str               2026-11-30
    timedelta    tuple[int, ...]   (days, seconds, microseconds), as `timedelta` normalises them
    Decimal      str               -1.50E+7
    UUID         bytes             its 16 bytes

One value has one encoding, the same on every Python, and nothing else is decoded: replicas must agree on what a command
is. Of a time zone the offset crosses, not the rules. Other classes are registered by `coterie.codec`.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import operator
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

__all__ = [
    "DECIMAL_CHARS_MAX",
    "STANDARD_CODINGS",
    "Coding",
    "coding_of",
    "in_order",
    "is_ascending",
    "known_coding",
    "register",
]


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """How values of `cls` cross the wire.

    `name`: stands for the class in recorded schemas. `wire`: the annotation of encoded values. `encode`, `decode`: a
    value to an encoded one, and back; they raise anything for what they refuse. `is_exact`: instances of subclasses
    are refused. `has_secret_hash`: nobody outside this process can compute the hashes of values.
    """

    name: str
    cls: Any
    wire: Any
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    is_exact: bool = False
    has_secret_hash: bool = False


DECIMAL_CHARS_MAX: Final = 1_000
"""The most characters of a Decimal: its hash, and arithmetic with it, may take the square of the time."""

_CONTEXT: Final = decimal.Context(prec=1, capitals=1, traps=[decimal.InvalidOperation])
"""Makes texts and reads them, whatever the context of the program is. Neither rounds."""


def _encode_datetime(value: dt.datetime) -> str:
    if value.fold and value.tzinfo is None:
        raise ValueError("a datetime with fold=1 has no text: give it a time zone")
    return value.isoformat()


def _decode_datetime(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if value.isoformat() != text:
        raise ValueError("it is not the text that isoformat() makes")
    return value


def _decode_date(text: str) -> dt.date:
    value = dt.date.fromisoformat(text)
    if value.isoformat() != text:
        raise ValueError("it is not the text that isoformat() makes")
    return value


def _encode_timedelta(value: dt.timedelta) -> tuple[int, int, int]:
    return (value.days, value.seconds, value.microseconds)


def _decode_timedelta(row: tuple[int, int, int]) -> dt.timedelta:
    value = dt.timedelta(*row)
    if (value.days, value.seconds, value.microseconds) != row:
        raise ValueError("its seconds are not 0 … 86,399, or its microseconds not 0 … 999,999")
    return value


def _encode_decimal(value: decimal.Decimal) -> str:
    if value.is_nan():
        raise ValueError("NaN is no number: it cannot be compared")
    text = _CONTEXT.to_sci_string(value)
    if len(text) > DECIMAL_CHARS_MAX:
        raise ValueError(f"a Decimal of {len(text):,} characters: at most {DECIMAL_CHARS_MAX:,} cross the wire")
    return text


def _decode_decimal(text: str) -> decimal.Decimal:
    if len(text) > DECIMAL_CHARS_MAX:
        raise ValueError(f"{len(text):,} characters: at most {DECIMAL_CHARS_MAX:,} are a Decimal")
    value = decimal.Decimal(text, _CONTEXT)
    if _encode_decimal(value) != text:
        raise ValueError("it is not the text that str() makes")
    return value


def _decode_uuid(octets: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=octets)


def _encode_uuid(value: uuid.UUID) -> bytes:
    return value.bytes


STANDARD_CODINGS: Final = (
    Coding("datetime", dt.datetime, str, _encode_datetime, _decode_datetime, is_exact=True),
    Coding("date", dt.date, str, dt.date.isoformat, _decode_date, is_exact=True, has_secret_hash=True),
    Coding("timedelta", dt.timedelta, tuple[int, int, int], _encode_timedelta, _decode_timedelta, is_exact=True),
    Coding("Decimal", decimal.Decimal, str, _encode_decimal, _decode_decimal, is_exact=True),
    Coding("UUID", uuid.UUID, bytes, _encode_uuid, _decode_uuid, is_exact=True),
)
"""Of classes of the standard library."""

_coding_by_class: Final[dict[type, Coding]] = {coding.cls: coding for coding in STANDARD_CODINGS}


def coding_of(cls: type) -> Coding | None:
    """Return how values of `cls` cross the wire; None if nothing is registered for it.

    A class that stands in for one of the standard library, and says so when it is asked (the simulator's `datetime`
    does), is taken for that.
    """
    found = _coding_by_class.get(cls)
    if found is not None:
        return found
    return next((one for one in STANDARD_CODINGS if issubclass(one.cls, cls) and issubclass(cls, one.cls)), None)


def known_coding(name: str) -> Coding | None:
    """Return the coding with that name."""
    return next((coding for coding in _coding_by_class.values() if coding.name == name), None)


def register(coding: Coding, instead_of: Iterable[Coding] = ()) -> None:
    """Take `coding` for its class from now on, and forget others: those of earlier definitions of that class."""
    for one in instead_of:
        _coding_by_class.pop(one.cls, None)
    _coding_by_class[coding.cls] = coding


_RANKS: Final[dict[type, int]] = {type(None): 0, bool: 1, int: 2, str: 3, bytes: 4}


def _place(key: Any) -> tuple[int, Any]:
    """Return where an encoded key stands among others: by type, then by value; a member of an IntEnum is an int."""
    return (_RANKS.get(type(key), _RANKS[int]), key)


def _are_alike(row: tuple[object, ...]) -> bool:
    """Return whether all items are of one type, and can be compared as they are."""
    return len(set(map(type, row))) == 1 and row[0] is not None


def is_ascending(row: tuple[Any, ...]) -> bool:
    """Return whether encoded keys are in their one order, each once."""
    if _are_alike(row):
        return all(map(operator.lt, row, row[1:]))
    return all(_place(one) < _place(other) for one, other in itertools.pairwise(row))


def in_order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return encoded keys, all different, in their one order: by type, then by value."""
    return tuple(sorted(row) if _are_alike(row) else sorted(row, key=_place))
