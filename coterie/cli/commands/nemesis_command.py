"""`coterie nemesis`: injects planned faults into a cluster of real processes, and checks the clients' histories.

    coterie nemesis crashes --seed 7 --seconds 30          a plan drawn from a profile
    coterie nemesis coterie-runs/raft-29/plan.json         the plan of a failed simulation, or your own
    coterie nemesis coterie-runs/raft-29 --skip-unsupported    the faults of it that real processes support

Node processes run on loopback. According to the plan they are killed (SIGKILL), paused (SIGSTOP) and restarted, their
data directories are wiped, and proxies delay, hold, corrupt, drop and reset the traffic between them. Clients work
meanwhile. When all faults have ended everything is read back, and the clients' histories must be linearizable: no
acknowledged write may be lost.

Exit codes: 0 all invariants hold; 1 an invariant broke, or an error; 2 the run was void (a planned kind of fault never
took effect, or too few operations were answered); 130 interrupted; 143 SIGTERM. A failed run keeps its folder, and the
command that runs its plan again is printed.
"""

from __future__ import annotations

import argparse

from coterie.cli.output.command_parser import add_output
from coterie.cli.output.list_option import ListOption, profile_names

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `nemesis` to the command line."""
    parser = subparsers.add_parser(
        "nemesis",
        help="inject a fault plan into real processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", help="a file (a plan, a saved case, a run folder) or a profile (see --list)")
    parser.add_argument(
        "--list", action=ListOption, names=profile_names, help="print the names of the profiles and exit"
    )
    parser.add_argument("--nodes", type=int, metavar="N", help="how many nodes (default 5, or the plan's)")
    parser.add_argument("--seconds", type=float, metavar="S", help="duration of a profile's plan (s, default 30)")
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the profile, the clients and the link conditions (default 0)"
    )
    parser.add_argument("--clients", type=int, default=10, help="how many clients (default 10)")
    parser.add_argument(
        "--skip-unsupported",
        action="store_true",
        help="leave out the faults of a plan that only a simulator supports, and name them (default: refuse the plan)",
    )
    parser.add_argument("--keep", metavar="DIR", help="keep all files in this new directory, even if the run passes")
    add_output(parser)
    parser.set_defaults(run=run, usual_log_level="error")  # broken links are intended here


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie nemesis`; return the exit code."""
    from coterie.cli.nemesis_run import run_nemesis  # noqa: PLC0415 (it imports all of coterie)

    return run_nemesis(args)
