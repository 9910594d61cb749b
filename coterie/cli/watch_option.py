"""`add_watch`: adds the option `--watch` to a parser: how often a command shows its table again."""

from __future__ import annotations

import argparse
from typing import Final

from coterie.cli.command_loop import WrongUsage

__all__ = ["add_watch", "check_watch"]

WATCH_S: Final = 1.0
LEAST_S: Final = 0.1
MOST_S: Final = 3600


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add `--watch [SECONDS]`; None if it is not given."""
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=WATCH_S,
        metavar="SECONDS",
        help=f"show it again and again, every so many seconds (default: {WATCH_S:g})",
    )


def check_watch(watch_s: float | None) -> None:
    """Raise WrongUsage unless it is None or 0.1 … 3600 s."""
    if watch_s is not None and not LEAST_S <= watch_s <= MOST_S:
        raise WrongUsage(f"--watch {watch_s:g}: it must be {LEAST_S:g} … {MOST_S} s")
