r"""`printable`: makes any text safe to show on one line of a log, a terminal or a report.

Names, messages and values come from peers. Shown as they are, a line break in them starts a line that looks like the
program's own, an escape sequence changes the terminal, and a bidirectional override makes a text read as another one.

    printable("n1" + chr(10) + "CRITICAL" + chr(27) + "[2J") == r"n1\nCRITICAL\x1b[2J"
"""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["is_printable", "printable"]

_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""The categories of Unicode that are shown as escapes: controls (C0, DEL, C1), format characters (bidirectional ones,
those of no width), lone surrogates, and the separators of lines and paragraphs."""


def printable(text: str, chars_max: int | None = None, *, keep: str = "") -> str:
    r"""Return `text` on one line, each character that is not visible as an escape (`\n`, `\x1b`, `\u202e`, `\ud800`).

    All others stay, backslashes too: a text that is printable is returned as it is, also the result of an earlier call.
    So an escape cannot be told from the same characters in the text: it is for reading, not for decoding.

    Args:
        text: any text, lone surrogates included.
        chars_max: what is longer, escapes included, is cut there and ends with `…`; None: nothing is cut.
        keep: characters that stay although they are not visible, for example a tab between columns.
    """
    is_cut = chars_max is not None and len(text) > chars_max
    begin = text[:chars_max]
    if not begin.isprintable():
        begin = "".join(_escaped(sign) if _is_hidden(sign) and sign not in keep else sign for sign in begin)
        is_cut = is_cut or (chars_max is not None and len(begin) > chars_max)
    return f"{begin[:chars_max]}…" if is_cut else begin


def is_printable(text: str) -> bool:
    """Return whether `printable` returns `text` as it is."""
    return text.isprintable() or not any(map(_is_hidden, text))


def _is_hidden(sign: str) -> bool:
    return unicodedata.category(sign) in _HIDDEN


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
