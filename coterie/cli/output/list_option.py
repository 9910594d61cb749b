"""`ListOption`: implements the option `--list`, which prints the names of scenarios or fault profiles and exits.

The names are not in the help text, because that would import the modules they name whenever a parser is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

from coterie.cli.output.command_output import JSON, TABLE, CommandOutput
from coterie.cli.output.command_parser import CommandParser

__all__ = ["ListOption"]


class ListOption(argparse.Action):
    """Prints what `names` returns, a line each or as JSON, and ends the program with exit code 0."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, names: Callable[[], Iterable[str]], help: str):  # noqa: A002 (argparse's word)
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)
        self._names = names

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the names and end (called by argparse when it meets the option)."""
        is_json = isinstance(parser, CommandParser) and parser.is_json
        names = list(self._names())
        CommandOutput(parser.get_default("command"), JSON if is_json else TABLE).show({"names": names}, names)
        parser.exit()
