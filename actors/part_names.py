"""Part names: check the name of a group, synod, pool or actor before it is used, sent or stored."""

from __future__ import annotations

from typing import Final

from coterie.runtime.observing.printable_text import is_printable, printable

__all__ = ["NAME_BYTES_MAX", "check_name"]

NAME_BYTES_MAX: Final = 1000
"""The longest name: with what is added to it, it is a path on the wire and a name in the store."""


def check_name(name: object) -> None:
    """Check the name of a part.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, too long, no valid Unicode, or has characters that are not visible.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"a name must be valid Unicode: {name!r:.80} has a lone surrogate") from error
    if not 0 < size <= NAME_BYTES_MAX:
        raise ValueError(f"a name must have 1 to {NAME_BYTES_MAX} bytes, {name!r:.80} has {size}")
    if not is_printable(name):
        raise ValueError(f"a name must be printable, not '{printable(name, 80)}'")
