"""What the command line logs: to stderr, warnings and worse unless told otherwise."""

from __future__ import annotations

import argparse
import logging

__all__ = ["DEFAULT_LEVEL", "add_option", "configure"]

DEFAULT_LEVEL = "warning"
_LEVELS = ("debug", "info", "warning", "error", "critical")


def add_option(parser: argparse.ArgumentParser, *, default: str) -> None:
    """Let a parser take `--log-level`."""
    parser.add_argument(
        "--log-level", choices=_LEVELS, default=default, help=f"what to log on stderr (default {DEFAULT_LEVEL})"
    )


def configure(level: str) -> None:
    """Send what coterie's loggers say, from `level` up, to stderr."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("coterie").setLevel(level.upper())
