"""Log options: adds the option `--log-level`, and sends log records of that level and above to stderr."""

from __future__ import annotations

import argparse
import logging

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
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("coterie").setLevel(logging.CRITICAL + 1 if level == NOTHING else level.upper())
