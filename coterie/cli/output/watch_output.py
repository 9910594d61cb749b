"""Watch output: prints a table again and again: on a terminal in place of the last one, elsewhere under the time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from coterie.terminal_output import print_lines

__all__ = ["print_table"]

CLEAR: Final = "\x1b[H\x1b[2J"


def print_table(lines: Sequence[str], *, is_live: bool) -> None:
    """Print the lines. `is_live`: others follow, so a file or a pipe gets a line with the local time before them."""
    head = ""
    if is_live:
        head = CLEAR if sys.stdout.isatty() else f"{datetime.now(UTC).astimezone():%Y-%m-%d %H:%M:%S}\n"
    print_lines(lines, lead=head, flush=True)
