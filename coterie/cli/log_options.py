"""Log options: adds the option `--log-level`, and sends log records of that level and above to stderr."""

from __future__ import annotations

import argparse
import logging
from types import TracebackType

from coterie.cli.output.flag_advice import in_flags
from coterie.runtime.observing.error_texts import traceback_text
from coterie.runtime.observing.printable_text import printable

__all__ = ["DEFAULT_LEVEL", "NOTHING", "add_option", "configure"]

DEFAULT_LEVEL = "warning"
NOTHING = "nothing"
_LEVELS = ("debug", "info", "warning", "error", "critical", NOTHING)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level` to a parser; its default is the parser's default `usual_log_level`."""
    usual = parser.get_default("usual_log_level") or DEFAULT_LEVEL
    parser.add_argument(
        "--log-level",
        choices=_LEVELS,
        default=argparse.SUPPRESS,  # it may be given before and after the command
        help=f"the lowest level to log (default {usual})",
    )


def configure(level: str) -> None:
    """Send the records of coterie's loggers from `level` up to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_PrintableFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("coterie").setLevel(logging.CRITICAL + 1 if level == NOTHING else level.upper())


class _PrintableFormatter(logging.Formatter):
    """Formats the records of all libraries, asyncio's too, as coterie's loggers do: see `loggers.py`."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's name)
        """Return the first line of a record, printable, with flags in place of parameters."""
        return printable(in_flags(super().formatMessage(record)))

    def formatException(  # noqa: N802 (logging's name)
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return the traceback, indented and printable."""
        return "" if ei[1] is None else traceback_text(ei[1])
