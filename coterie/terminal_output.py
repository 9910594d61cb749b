"""Terminal output: prints lines, JSON and values, with what peers have chosen made printable. Nothing else prints.

Names, errors, keys and values in the output come from other nodes, whose words must not control a terminal or start a
line of their own. So each command passes its lines here, and a test sees that no other module of the package prints.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable
from typing import Final

from coterie.runtime.observing.error_texts import traceback_text
from coterie.runtime.observing.printable_text import printable

__all__ = [
    "print_document",
    "print_error",
    "print_json",
    "print_lines",
    "print_text",
    "print_traceback",
    "print_value",
    "unwritten",
]

_TAB: Final = "\t"
_DELETE: Final = "\x7f"


def print_lines(lines: Iterable[str], *, lead: str = "", end: str = "\n", flush: bool = False) -> None:
    """Print each line, printable: a line break in it is shown as an escape. Tabs stay.

    `lead` and `end` are printed as they are before the first line and after the last one, for a terminal's sequences.
    """
    shown = "\n".join(printable(line, keep=_TAB) for line in lines)
    _write(f"{lead}{shown}{end}", flush=flush)


def print_text(text: str, *, flush: bool = False) -> None:
    """Print a text whose line breaks are the program's own: a diagram, or what a simulation has found."""
    print_lines(text.split("\n"), flush=flush)


def print_error(text: str) -> None:
    """Print one line on stderr, if that can be written: there is nobody else to tell."""
    _write_error(f"{printable(text, keep=_TAB)}\n")


def print_traceback(head: str, error: BaseException) -> None:
    """Print a line and the traceback of an error, indented, on stderr."""
    _write_error(f"{printable(head, keep=_TAB)}\n{traceback_text(error)}\n")


def print_json(value: object, *, flush: bool = False) -> None:
    """Print a value as JSON on one line. TypeError: it has no JSON."""
    print_document(f"{json.dumps(value)}\n", flush=flush)


def print_document(text: str, *, flush: bool = False) -> None:
    """Print a JSON document: its strings have escapes of their own, except that JSON does not demand one for DEL."""
    _write(text.replace(_DELETE, "\\u007f"), flush=flush)


def print_value(text: str) -> None:
    """Print a stored text: as it is to a file or a pipe; on a terminal printable, except for its lines and tabs."""
    _write(f"{printable(text, keep=_TAB + chr(10)) if sys.stdout.isatty() else text}\n", flush=False)


def unwritten(error: OSError) -> str:
    """Return the text of an error of stdout: what failed, and why."""
    return f"the output cannot be written: {error.strerror or error}"


def _write(text: str, *, flush: bool) -> None:
    try:
        sys.stdout.write(text)
        if flush:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(unwritten(error)) from error


def _write_error(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
