"""What the command line logs: to stderr, warnings and worse unless told otherwise."""

from __future__ import annotations

import argparse
import logging

__all__ = ["DEFAULT_LEVEL", "NOTHING", "add_option", "configure"]

DEFAULT_LEVEL = "warning"
NOTHING = "nothing"
_LEVELS = ("debug", "info", "warning", "error", "critical", NOTHING)


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a parser take `--log-level`; without it, the parser's default `usual_log_level` holds."""
    usual = parser.get_default("usual_log_level") or DEFAULT_LEVEL
    parser.add_argument(
        "--log-level",
        choices=_LEVELS,
        default=argparse.SUPPRESS,  # it may stand before and after the command
        help=f"what to log on stderr (default {usual})",
    )


def configure(level: str) -> None:
    """Send what coterie's loggers say, from `level` up, to stderr."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("coterie").setLevel(logging.CRITICAL + 1 if level == NOTHING else level.upper())
