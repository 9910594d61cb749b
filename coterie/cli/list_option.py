"""The option `--list`: names what there is to choose from, and ends.

A help text would have to know the names whenever a parser is made; to know them is to import what they name.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

__all__ = ["Listing"]


class Listing(argparse.Action):
    """Prints what `names` returns, a line each, and ends the program with exit code 0."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, names: Callable[[], Iterable[str]], help: str):  # noqa: A002 (argparse's word)
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)
        self._names = names

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Be called by argparse when the option is met."""
        print("\n".join(self._names()))
        parser.exit()
