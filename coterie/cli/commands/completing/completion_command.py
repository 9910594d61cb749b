"""`coterie completion`: prints the script with which a shell completes commands, options and their values.

    source <(coterie completion bash)                                         this shell; or put it into ~/.bashrc
    coterie completion zsh > ~/.zfunc/_coterie                                with `fpath+=~/.zfunc` before `compinit`
    coterie completion fish > ~/.config/fish/completions/coterie.fish

The script is made from the parsers of this release: make it again after an upgrade. It does not run coterie.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from coterie.cli.commands.completing.completion_scripts import SCRIPT_BY_SHELL
from coterie.cli.commands.completing.completion_words import command_words
from coterie.terminal_output import print_document

__all__ = ["add_parser"]


def add_parser(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], make_parser: Callable[[], argparse.ArgumentParser]
) -> None:
    """Add the command `completion` to the command line. `make_parser`: returns the parser of the whole command line."""
    parser = subparsers.add_parser(
        "completion",
        help="print the script with which a shell completes commands and options",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shell", choices=sorted(SCRIPT_BY_SHELL), help="which shell")

    def run(args: argparse.Namespace) -> int:
        """Carry out `coterie completion`; return the exit code."""
        print_document(SCRIPT_BY_SHELL[args.shell](list(command_words(make_parser()))))
        return 0

    parser.set_defaults(run=run)
