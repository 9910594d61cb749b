"""`CommandParser`: parses the words of a command; adds the option `-o`, and reports wrong usage in its format, too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Never

from coterie.cli.command_loop import WRONG_USAGE
from coterie.cli.output.command_output import FORMATS, JSON, TABLE, CommandOutput
from coterie.terminal_output import print_document

__all__ = ["CommandParser", "add_output"]


def add_output(parser: argparse._ActionsContainer) -> None:
    """Add `-o`, `--output`: the format in which the command prints its result."""
    parser.add_argument(
        "-o", "--output", choices=FORMATS, default=TABLE, help="the output format: a table, or one JSON envelope"
    )


class CommandParser(argparse.ArgumentParser):
    """Takes no abbreviations of options, nor do the parsers of its commands: a later option may make one ambiguous.

    Its result has `command`, the words of the command after `coterie`, and `output`, one of `FORMATS`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self._arguments: Sequence[str] = ()
        self._commands: argparse._SubParsersAction[Any] | None = None
        self.set_defaults(command=self.prog.partition(" ")[2])

    def add_subparsers(self, **options: Any) -> Any:
        """Do what argparse does, and remember the commands for `with_all_below`."""
        self._commands = super().add_subparsers(**options)
        return self._commands

    def with_all_below(self) -> Iterator[CommandParser]:
        """Yield this parser and those of all commands below it."""
        yield self
        for child in self._commands.choices.values() if self._commands is not None else ():
            yield from child.with_all_below()

    @property
    def is_json(self) -> bool:
        """Whether the words that were given ask for JSON."""
        words = list(self._arguments)
        given = words[: words.index("--")] if "--" in words else words
        return not {"-ojson", "-o=json", "--output=json"}.isdisjoint(given) or any(
            word in ("-o", "--output") and value == JSON for word, value in pairwise(given)
        )

    # One signature for the overloads of argparse.
    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse `args` (default: those of the process); words that the command does not take are wrong usage."""
        self._arguments = sys.argv[1:] if args is None else list(args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print help; OSError if that fails, which argparse would hide."""
        if message and file is sys.stdout:
            print_document(message)
        else:
            super()._print_message(message, file)

    def error(self, message: str) -> Never:
        """Print the usage and the message on stderr, as JSON an envelope on stdout, too; exit with 2."""
        if self.is_json:
            CommandOutput(self.get_default("command"), JSON).fail(WRONG_USAGE, message)
        super().error(message)
