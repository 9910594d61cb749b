"""Standard values: encode datetime, date, timedelta, Decimal and UUID for a snapshot, and decode them, exactly.

class       encoded
datetime    (text without a time zone, fold), and with a zone also: (its offset as a timedelta, its name or None)
date        text, as `isoformat()` makes it
timedelta   (days, seconds, microseconds)
Decimal     text, as `str()` makes it
UUID        its 16 bytes
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any, Final

__all__ = ["STANDARD", "Standard"]


class Standard:
    """How values of one class of the standard library cross: `encode` and `decode` raise ValueError for what cannot."""

    __slots__ = ("cls", "decode", "encode")

    def __init__(self, cls: type, encode: Callable[[Any], object], decode: Callable[[Any], object]) -> None:
        self.cls = cls
        self.encode = encode
        self.decode = decode


_CONTEXT: Final = decimal.Context(prec=1, capitals=1, traps=[])
"""Makes texts and reads them, whatever the context of the program is. Neither rounds."""

_PLAIN_ZONE: Final = dt.timezone


def _encode_datetime(value: dt.datetime) -> object:
    zone = value.tzinfo
    text = value.replace(tzinfo=None, fold=0).isoformat()
    if zone is None:
        return (text, value.fold)
    if type(zone) is not _PLAIN_ZONE:
        raise ValueError(f"its time zone is a {type(zone).__name__}: use datetime.timezone, such as UTC")
    offset = zone.utcoffset(None)
    name = zone.tzname(None)
    return (text, value.fold, _encode_timedelta(offset), None if name == dt.timezone(offset).tzname(None) else name)


def _decode_datetime(row: Any) -> dt.datetime:
    text, fold, *zone = row
    value = dt.datetime.fromisoformat(text).replace(fold=fold)
    if not zone:
        return value
    offset, name = zone
    made = dt.timezone(_decode_timedelta(offset))
    return value.replace(tzinfo=made if name is None else dt.timezone(_decode_timedelta(offset), name))


def _encode_timedelta(value: dt.timedelta) -> tuple[int, int, int]:
    return (value.days, value.seconds, value.microseconds)


def _decode_timedelta(row: Any) -> dt.timedelta:
    days, seconds, microseconds = row
    return dt.timedelta(days, seconds, microseconds)


def _encode_decimal(value: decimal.Decimal) -> str:
    return _CONTEXT.to_sci_string(value)


def _decode_decimal(text: Any) -> decimal.Decimal:
    value = decimal.Decimal(text, _CONTEXT)
    if _encode_decimal(value) != text:
        raise ValueError("it is not the text of a Decimal")
    return value


STANDARD: Final = {
    "datetime": Standard(dt.datetime, _encode_datetime, _decode_datetime),
    "date": Standard(dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "timedelta": Standard(dt.timedelta, _encode_timedelta, _decode_timedelta),
    "Decimal": Standard(decimal.Decimal, _encode_decimal, _decode_decimal),
    "UUID": Standard(uuid.UUID, lambda value: value.bytes, lambda octets: uuid.UUID(bytes=octets)),
}
"""The classes of the standard library whose values can be saved, by name."""
