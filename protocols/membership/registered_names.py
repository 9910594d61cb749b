"""Registered names: check the names of singletons and services, and the paths of actors, that a cluster records.

Every replica of the group that holds them must decide alike, whatever its Python: so characters are told apart by code
points that are written down here, and not by the tables of Unicode, which differ between versions.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NAME_CHARS_MAX", "PATH_CHARS_MAX", "quoted", "why_not_registrable"]

NAME_CHARS_MAX: Final = 128
"""The longest name of a singleton or a service, characters."""

PATH_CHARS_MAX: Final = 256
"""The longest path of an actor that is registered, characters: all that is registered must fit into one message."""

_QUOTED_CHARS_MAX: Final = 40

_HIDDEN: Final = (
    range(0x20),  # controls
    range(0x7F, 0xA0),  # delete, and the second block of controls
    range(0xAD, 0xAE),  # soft hyphen
    range(0x0600, 0x0606),  # Arabic number signs, and marks of the same kind below
    range(0x061C, 0x061D),
    range(0x06DD, 0x06DE),
    range(0x070F, 0x0710),
    range(0x0890, 0x0892),
    range(0x08E2, 0x08E3),
    range(0x180E, 0x180F),  # Mongolian vowel separator
    range(0x200B, 0x2010),  # of no width, and marks of direction
    range(0x2028, 0x202F),  # separators of lines and paragraphs, and changes of direction
    range(0x2060, 0x2070),  # joiners of no width, and isolates of direction
    range(0xD800, 0xE000),  # lone surrogates
    range(0xFEFF, 0xFF00),  # byte order mark
    range(0xFFF0, 0xFFFC),  # annotations
    range(0x110BD, 0x110BE),  # Kaithi number signs
    range(0x110CD, 0x110CE),
    range(0x13430, 0x13440),  # joiners of hieroglyphs
    range(0x1BCA0, 0x1BCA4),  # joiners of shorthand
    range(0x1D173, 0x1D17B),  # beams of music
    range(0xE0000, 0xE1000),  # tags
)
"""Code points that are not visible, or change how what follows is shown: Cc, Cf, Cs, Zl, Zp of Unicode 15."""


def why_not_registrable(what: str, text: str, chars_max: int) -> str | None:
    """Return why `text` cannot be registered, in a sentence that begins with `what` it is; None if it can."""
    if not 0 < len(text) <= chars_max:
        return f"{what} has 1 to {chars_max} characters, {quoted(text)} has {len(text):,}: choose another one"
    if any(map(_is_hidden, text)):
        return f"{what} has visible characters only, unlike {quoted(text)}: choose another one"
    return None


def quoted(text: str) -> str:
    """Return a name in quotes, for the text of an answer: on one line, cut if it is long, alike on every replica."""
    signs = [f"\\u{ord(sign):04x}" if _is_hidden(sign) else sign for sign in text[:_QUOTED_CHARS_MAX]]
    return f"'{''.join(signs)}{'…' if len(text) > _QUOTED_CHARS_MAX else ''}'"


def _is_hidden(sign: str) -> bool:
    return not " " <= sign <= "~" and any(ord(sign) in hidden for hidden in _HIDDEN)
