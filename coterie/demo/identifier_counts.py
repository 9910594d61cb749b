"""Identifier counts: counts the identifiers (names) in one Python file, for the workers of the demo.

The rule, which `plain_count` follows too with code of its own: NAME tokens of `tokenize` that are no keywords, in text
decoded as `tokenize.open` does. A file that does not decode or tokenize, or that goes beyond a limit, counts nothing.
The limits keep every message and every batch below the frame cap of the transport.
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import Counter
from dataclasses import dataclass
from typing import Final

__all__ = [
    "DISTINCT_MAX",
    "FILE_BYTES_MAX",
    "NAME_CHARACTERS_MAX",
    "IdentifierCounts",
    "SkippedFile",
    "count_identifiers",
]

FILE_BYTES_MAX: Final = 500_000
"""A client sends at most `client_frame_cap_bytes` (512 KiB) at once."""

DISTINCT_MAX: Final = 50_000
NAME_CHARACTERS_MAX: Final = 1_000

_KEYWORDS: Final = frozenset(keyword.kwlist)


@dataclass(frozen=True, slots=True)
class IdentifierCounts:
    """How often each identifier occurs in a file."""

    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """The reason why a file counts nothing."""

    reason: str


def count_identifiers(source: bytes) -> IdentifierCounts | SkippedFile:
    """Count the identifiers in a file's content."""
    if len(source) > FILE_BYTES_MAX:
        return SkippedFile(f"too large: {len(source)} bytes of at most {FILE_BYTES_MAX}")
    try:
        counts = Counter(_names(source))
    except Exception as error:  # noqa: BLE001 (a file may name a codec that raises any error)
        return SkippedFile(f"{type(error).__name__}: {error}")
    if len(counts) > DISTINCT_MAX or max(map(len, counts), default=0) > NAME_CHARACTERS_MAX:
        return SkippedFile(f"too large: more than {DISTINCT_MAX} identifiers, or one of over {NAME_CHARACTERS_MAX}")
    return IdentifierCounts(dict(counts))


def _names(source: bytes) -> list[str]:
    raw = io.BytesIO(source)
    encoding, _ = tokenize.detect_encoding(raw.readline)
    raw.seek(0)
    text = io.TextIOWrapper(raw, encoding)  # universal newlines, as in tokenize.open
    tokens = tokenize.generate_tokens(text.readline)
    return [token.string for token in tokens if token.type == tokenize.NAME and token.string not in _KEYWORDS]
