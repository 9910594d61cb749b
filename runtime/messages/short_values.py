"""`short_value`: returns a short text of a value that a peer has sent, at a cost that does not grow with the value.

`repr` of a nested row takes time for each part of it, also if only its first characters are kept; `reprlib` visits up
to 6 parts of each of 6 levels. So an error about one bad row could hold the loop for a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["short_value", "types_of"]

PARTS_SHOWN: Final = 6
INNER_PARTS_SHOWN: Final = 3
TEXT_SHOWN: Final = 60
PART_SHOWN: Final = 20


def short_value(value: object) -> str:
    """Return at most about 60 characters: the beginning of a text or of bytes, the first parts of a row or of a map."""
    if type(value) is tuple:
        parts = [_part(part) for part in value[:PARTS_SHOWN]]
        if len(value) > PARTS_SHOWN:
            parts.append("…")
        return _cut(f"({', '.join(parts)}{',' if len(value) == 1 else ''})")
    if type(value) is dict:
        return _cut(f"{{{_entries(value)}}}")
    return _cut(repr(value[:TEXT_SHOWN] if isinstance(value, str | bytes) else value))


def types_of(row: tuple[object, ...]) -> str:
    """Return the number of parts of a row, and the types of the first ones."""
    names = [type(part).__name__ for part in row[:PARTS_SHOWN]]
    return f"{len(row)} parts: {', '.join(names)}{', …' if len(row) > PARTS_SHOWN else ''}"


def _entries(value: Mapping[object, object]) -> str:
    shown = [f"{_part(key)}: {_part(item)}" for (key, item), _ in zip(value.items(), range(PARTS_SHOWN), strict=False)]
    return ", ".join([*shown, "…"] if len(value) > PARTS_SHOWN else shown)


def _part(value: object, *, is_inner: bool = False) -> str:
    if isinstance(value, str | bytes):
        return repr(value[:PART_SHOWN])
    if type(value) is tuple and 0 < len(value) <= INNER_PARTS_SHOWN and not is_inner:
        return f"({', '.join(_part(part, is_inner=True) for part in value)}{',' if len(value) == 1 else ''})"
    if isinstance(value, tuple | Mapping | list):
        opening, closing = "{}" if isinstance(value, Mapping) else "[]" if isinstance(value, list) else "()"
        return f"{opening}{'…' if value else ''}{closing}"
    return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 3] + "…"
