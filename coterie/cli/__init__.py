"""The command line: each command is a file of its own.

demo; run, up, topology; status, top, actors, waits; kv; sim, nemesis.

Only here are signals handled and logging configured: as a library coterie leaves both to its host.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from coterie.cli import log_options
from coterie.cli.commands.actors_command import add_parser as add_actors
from coterie.cli.commands.demo_command import add_parser as add_demo
from coterie.cli.commands.kv_command import add_parser as add_kv
from coterie.cli.commands.nemesis_command import add_parser as add_nemesis
from coterie.cli.commands.run_command import add_parser as add_run
from coterie.cli.commands.sim_command import add_parser as add_sim
from coterie.cli.commands.status_command import add_parser as add_status
from coterie.cli.commands.top_command import add_parser as add_top
from coterie.cli.commands.topology_command import add_parser as add_topology
from coterie.cli.commands.up_command import add_parser as add_up
from coterie.cli.commands.waits_command import add_parser as add_waits
from coterie.errors import CoterieError

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED = 130
UNHEARD = 141
FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0: done. 1: an error, told in one line on stderr, or a plain "no". 2: wrong usage, or a void run. 130: Ctrl-C.
    141: whoever read the output has gone (`| head`); nothing more is said.
    """
    try:
        try:
            return _carried_out(argv)
        finally:
            sys.stdout.flush()  # now: while Python ends nobody could catch what it raises
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNHEARD


def _carried_out(argv: Sequence[str] | None) -> int:
    args = make_parser().parse_args(argv)
    args.is_whole_process = argv is None
    args.log_level = args.log_level or args.usual_log_level
    log_options.configure(args.log_level)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except (CoterieError, ValueError, OSError) as error:
        logging.getLogger("coterie.cli").debug("the command failed", exc_info=error)
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"coterie: {text}", file=sys.stderr)
        return FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="coterie", description="Actors for asyncio that agree with each other.")
    parser.set_defaults(log_level=None, usual_log_level=log_options.DEFAULT_LEVEL)
    log_options.add_option(parser)
    subparsers = parser.add_subparsers(metavar="command", required=True)
    inspecting = (add_status, add_top, add_actors, add_waits)
    for add_parser in (add_demo, add_run, add_up, add_topology, *inspecting, add_kv, add_sim, add_nemesis):
        add_parser(subparsers)
    for subparser in subparsers.choices.values():
        log_options.add_option(subparser)
    return parser
