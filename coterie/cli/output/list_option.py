"""`ListOption`: prints the names of scenarios or fault profiles (`--list`) and exits; `NameOption` takes one of them.

The names are not in the help text, because that would import the modules they name whenever a parser is made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence

from coterie.cli.output.command_output import JSON, TABLE, CommandOutput
from coterie.cli.output.command_parser import CommandParser

__all__ = ["ListOption", "NameOption", "profile_names"]


class ListOption(argparse.Action):
    """Prints what `names` returns, a line each or as JSON, and ends the program with exit code 0."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, names: Callable[[], Iterable[str]], help: str):  # noqa: A002 (argparse's word)
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)
        self.names = names

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the names and end (called by argparse when it meets the option)."""
        is_json = isinstance(parser, CommandParser) and parser.is_json
        names = list(self.names())
        CommandOutput(parser.get_default("command"), JSON if is_json else TABLE).show({"names": names}, names)
        parser.exit()


class NameOption(argparse.Action):
    """Stores a value as it is. `names` returns those that there are, for shells; the command checks what it gets."""

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        *,
        names: Callable[[], Iterable[str]],
        default: str,
        metavar: str,
        help: str,  # noqa: A002 (argparse's word)
    ) -> None:
        super().__init__(option_strings, dest, default=default, metavar=metavar, help=help)
        self.names = names

    def __call__(self, _: object, namespace: argparse.Namespace, values: object, option: str | None = None) -> None:
        """Store the value (called by argparse when it meets the option)."""
        setattr(namespace, self.dest, values)


def profile_names() -> Iterable[str]:
    """Return the names of the fault profiles."""
    from coterie.protocols.faults.profiles.fault_profiles import PROFILES  # noqa: PLC0415 (most commands do not need it)

    return PROFILES
