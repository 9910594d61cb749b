"""`add_limit`: adds the option `--limit` to a parser: how many lines a command shows at most."""

from __future__ import annotations

import argparse

__all__ = ["add_limit"]

LIMIT = 50
MOST = 1000
"""More lines are in no node's answer."""


def add_limit(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--limit`, 0 … 1000; anything else is wrong usage. `what` is shown, in words: `actors per node`."""
    help_text = f"the most {what} that are shown (default {LIMIT}, up to {MOST})"
    parser.add_argument("--limit", type=_limit, default=LIMIT, help=help_text)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= MOST):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to {MOST}")
    return int(text)
