"""Command line: runs `coterie` with its subcommands (`run`, `up`, `status`, `members`, `kv`, `sim`, `demo`, …).

Signals are handled, logging is configured, and Python's hooks for errors are set only in this package: as a library
coterie leaves them to its program.

Exit codes: each command's `run` decides its own, see `main` (`sim_run.py` and `nemesis_run.py` by outcome; 2 is void).
`main` maps errors to 1, 3 or 4, Ctrl-C to 130, SIGTERM to 143 and a closed output pipe to 141; argparse uses 2 for
wrong usage.
`command_loop.py` turns SIGINT and SIGTERM into exceptions; `run` and `up` end with 0 after SIGTERM.

`commands/`: defines the options and the output of each command, one module per command
`caller_rows.py`: formats what the callers of pools know of their targets
`command_loop.py`: runs a command's coroutine until it ends or a signal arrives; defines shared exit codes
`cluster_connection.py`: reads the options `--connect` and `--name`, and links a client with that cluster
`failed_connection.py`: finds out why no node is linked, and logs a refusal only where the error does not tell it
`inactive_members.py`: explains why a node takes no full part in a group, and what can be done about it
`member_reports.py`: `MemberReports`, asks the nodes what they think of each other, with a time limit
`member_rows.py`: `MemberRow`, merges the opinions of several nodes into one row per member
`node_queries.py`: asks the nodes of a running cluster for their reports
`security_options.py`: reads the options for a shared key and TLS certificates
`log_options.py`: adds the option `--log-level`, and configures logging
`limit_option.py`: adds the option `--limit`, how many lines a command shows at most
`unavailable_group.py`: `naming_no_leader`, tells that a group has no leader, where a command has failed for want of one
`watch_option.py`: adds the option `--watch`, how often a table is shown again
`sim_run.py`: runs the seeds of `coterie sim`, shrinks and saves a failing run, prints results
`nemesis_run.py`: runs the fault plan of `coterie nemesis` on real processes, prints the result
`output/`: prints what a command has found, as a table or as a JSON envelope
`topologies/`: loads the topology that a command is given
"""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Sequence
from importlib.metadata import version

from coterie.cli import log_options
from coterie.cli.command_loop import (
    INTERRUPTED,
    NOT_FOUND,
    TERMINATED,
    UNREACHABLE,
    WRONG_USAGE,
    NameNotFound,
    NameUncertain,
    TerminatedBySignal,
    WrongUsage,
)
from coterie.cli.commands.actors_command import add_parser as add_actors
from coterie.cli.commands.completing.completion_command import add_parser as add_completion
from coterie.cli.commands.demo_command import add_parser as add_demo
from coterie.cli.commands.evolving.drain_command import add_parser as add_drain
from coterie.cli.commands.evolving.raft_command import add_parser as add_raft
from coterie.cli.commands.evolving.schema_command import add_parser as add_schema
from coterie.cli.commands.kv_command import add_parser as add_kv
from coterie.cli.commands.members_command import add_parser as add_members
from coterie.cli.commands.membership.leave_command import add_down, add_leave
from coterie.cli.commands.membership.services_command import add_parser as add_services
from coterie.cli.commands.nemesis_command import add_parser as add_nemesis
from coterie.cli.commands.offline.log_command import add_parser as add_log
from coterie.cli.commands.pools_command import add_parser as add_pools
from coterie.cli.commands.recovering.backup_command import add_parser as add_backup
from coterie.cli.commands.recovering.restore_command import add_parser as add_restore
from coterie.cli.commands.run_command import add_parser as add_run
from coterie.cli.commands.security_command import add_parser as add_security
from coterie.cli.commands.sim_command import add_parser as add_sim
from coterie.cli.commands.status_command import add_parser as add_status
from coterie.cli.commands.top_command import add_parser as add_top
from coterie.cli.commands.topology_command import add_parser as add_topology
from coterie.cli.commands.up_command import add_parser as add_up
from coterie.cli.commands.waits_command import add_parser as add_waits
from coterie.cli.output.command_output import TABLE, CommandOutput
from coterie.cli.output.command_parser import CommandParser
from coterie.cli.output.json_envelope import Code
from coterie.cli.unavailable_group import GroupUnavailable
from coterie.errors import CoterieError, NodeUnreachable, TopologyError
from coterie.interrupts import exit_on_interrupt
from coterie.module_loading import ModuleFailed
from coterie.output_hooks import install_output_hooks
from coterie.runtime.hosts.real_resources import raise_descriptor_limit
from coterie.standard_streams import finish_output, open_standard_streams
from coterie.terminal_output import print_error, print_traceback, unwritten

__all__ = ["INTERRUPTED", "main"]

EXIT_CODES = """\
exit codes: 0 healthy or done; 1 failed, or a negative answer; 2 wrong usage (also a topology, a key or a certificate
that cannot be used), or a void run; 3 no such key, group, pool, actor or node; 4 no node accepts the client, or none
answers; 5 degraded: a node does not answer, or not all is well; 130 Ctrl-C; 141 the reader of the output has gone;
143 SIGTERM (run and up stop in order: 0)
"""

BROKEN_PIPE = 141
FAILED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0: done. 1: an error, reported in one line on stderr (with `-o json` in the envelope), or a negative answer.
    2: wrong usage: words, a topology, a key or a certificate that cannot be used; or a void run. 3: there is no such
    key, group, pool, actor or node. 4: no node accepts the client, or none answers. 5: done, but a node did not answer,
    or not all is well with those that did. 130: Ctrl-C. 143: SIGTERM (`run` and `up`, which stop in order: 0).
    141: the reader of the output has closed it (`| head`); nothing more is printed.

    Characters that the output's encoding lacks are printed as `?`. Output that cannot be written (the disk is full) is
    an error, exit code 1. A stream that is closed from the start is /dev/null.
    """
    if argv is None:
        exit_on_interrupt()
        open_standard_streams()
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
    try:
        code = _run_command(argv)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = BROKEN_PIPE
    except SystemExit:  # of the parser: help, or wrong usage
        if (lost := _code_of_lost_output()) is not None:
            return lost
        raise
    lost = _code_of_lost_output()  # now: an error raised while Python shuts down could not be caught
    return code if lost is None or code in (INTERRUPTED, TERMINATED, BROKEN_PIPE) else lost


def _code_of_lost_output() -> int | None:
    """Write out the rest of the output; return the exit code if that fails, which is said on stderr."""
    failure = finish_output()
    if failure is None:
        return None
    if isinstance(failure, BrokenPipeError):
        return BROKEN_PIPE
    print_error(f"coterie: {unwritten(failure)}")
    finish_output()
    return FAILED


def _run_command(argv: Sequence[str] | None) -> int:
    args: argparse.Namespace | None = None
    try:
        args = make_parser().parse_args(argv)
        args.is_whole_process = argv is None
        if args.is_whole_process:
            install_output_hooks()
            raise_descriptor_limit()  # for every command: nodes, the processes that `up` starts, sockets of a client
        args.log_level = args.log_level or args.usual_log_level
        log_options.configure(args.log_level)
        args.out = CommandOutput(args.command, args.output)
        return int(args.run(args))
    except KeyboardInterrupt:
        return INTERRUPTED
    except TerminatedBySignal:
        return TERMINATED
    except BrokenPipeError:
        raise
    except (CoterieError, ValueError, OSError) as error:
        logging.getLogger("coterie.cli").debug("the command failed", exc_info=error)
        if args is None:  # help could not be printed
            print_error(f"coterie: {error}")
            return FAILED
        if args.traceback:
            print_traceback("traceback of the error below:", error)
        exit_code = _exit_code_of(error)
        code = Code.UNAVAILABLE if isinstance(error, GroupUnavailable) else None
        args.out.fail(exit_code, *_texts_of(error), code=code)
        return exit_code


def _texts_of(error: Exception) -> list[str]:
    """Return the text of an error; of a topology with several mistakes a text for each."""
    if isinstance(error, TopologyError):
        return [f"topology {error.topology!r} cannot run: {mistake}" for mistake in error.mistakes]
    return [str(error) or type(error).__name__]


def _exit_code_of(error: Exception) -> int:
    if isinstance(error, WrongUsage | ModuleFailed | TopologyError):
        return WRONG_USAGE
    if isinstance(error, NameNotFound):
        return NOT_FOUND
    return UNREACHABLE if isinstance(error, NodeUnreachable | NameUncertain) else FAILED


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = CommandParser(
        prog="coterie",
        description="Actors for asyncio that agree with each other.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"coterie {version('coterie')}")
    parser.set_defaults(log_level=None, usual_log_level=log_options.DEFAULT_LEVEL, output=TABLE, traceback=False)
    subparsers = parser.add_subparsers(metavar="command", required=True)
    inspecting = (add_status, add_members, add_services, add_pools, add_top, add_actors, add_waits)
    for add_parser in (
        add_demo,
        add_run,
        add_up,
        add_topology,
        add_schema,
        add_security,
        *inspecting,
        add_kv,
        add_raft,
        add_drain,
        add_leave,
        add_down,
        add_log,
        add_backup,
        add_restore,
        add_sim,
        add_nemesis,
    ):
        add_parser(subparsers)
    add_completion(subparsers, make_parser)
    for each in parser.with_all_below():
        log_options.add_option(each)
    return parser
