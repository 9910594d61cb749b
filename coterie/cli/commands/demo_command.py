"""`coterie demo`: runs a cluster of three processes, kills one during work, and verifies that no data is lost.

A cluster on loopback counts the identifiers of the running interpreter's standard library (or of --input). During the
work a node is killed (SIGKILL); the others continue, and the node restarts and catches up: with --lose-disk it starts
with an empty disk, which takes the place of the lost one. At the end all counts are read back and compared with those
of a separate process that counts without coterie.

Exit codes: 0 identical, nothing lost, nothing duplicated; 1 a difference, or an error; 2 the run was void (too little
happened around the kill); 130 interrupted; 143 SIGTERM.
"""

from __future__ import annotations

import argparse
from typing import Final

from coterie.cli.command_loop import WrongUsage, run_async
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems

__all__ = ["add_parser", "run"]

VERDICT_BY_EXIT_CODE: Final = {0: ("passed", None), 1: ("failed", Code.FAILED), 2: ("void", Code.VOID)}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="count the standard library in a cluster, kill a node, lose nothing",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--nodes", type=int, choices=(3, 5), default=3, help="how many nodes (default 3)")
    parser.add_argument(
        "--kill", choices=("leader", "follower", "none"), default="leader", help="the node to kill (default leader)"
    )
    parser.add_argument(
        "--lose-disk", action="store_true", help="the killed node comes back with an empty disk, which is replaced"
    )
    parser.add_argument("--data", metavar="DIR", help="keep the nodes' data here (default: temporary, removed)")
    parser.add_argument("--input", metavar="DIR", help="count the .py files under here (default: the standard library)")
    parser.add_argument(
        "--balance",
        metavar="POLICY",
        help="the policy that picks the worker of each file: prequal, PowerOfTwoChoices, … (a wrong name lists all)",
    )
    add_output(parser)
    parser.set_defaults(run=run, usual_log_level="error")  # broken links are intended here


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie demo`; return the exit code."""
    from coterie.demo.demo_job import DemoOptions, run_job  # noqa: PLC0415 (other commands do not need it)
    from coterie.demo.policy_names import policy_named  # noqa: PLC0415
    from coterie.demo.source_files import standard_library  # noqa: PLC0415

    root = args.input if args.input is not None else standard_library()
    balance = None if args.balance is None else policy_named(args.balance)
    out: CommandOutput = args.out
    if args.lose_disk and args.kill == "none":
        raise WrongUsage("--lose-disk: no node is killed; give --kill leader or --kill follower")
    options = DemoOptions(
        root=root,
        nodes=args.nodes,
        victim=args.kill,
        data=args.data,
        balance=balance,
        events_on_stderr=out.is_json,
        loses_disk=args.lose_disk,
    )
    report = run_async(run_job(options))
    verdict, code = VERDICT_BY_EXIT_CODE[report.exit_code]
    errors = [] if code is None else problems(code, report.reasons())
    out.show(report.facts(), report.lines(), verdict=verdict, errors=errors)
    return report.exit_code
