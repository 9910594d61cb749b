"""`coterie nemesis`: a plan of faults against a real cluster, before the same judge as in the simulator.

    coterie nemesis crashes --seed 7 --seconds 30          a plan that a profile draws
    coterie nemesis coterie-runs/raft-29/plan.json         a plan that a simulation failed under, or one's own
    coterie nemesis coterie-runs/raft-29 --skip-unsupported    as much of it as real processes can suffer

Node processes run on loopback. They are killed (SIGKILL), paused (SIGSTOP) and started again, their directories are
wiped, and proxies delay, hold back, spoil, swallow and reset what goes between them, as the plan says. Clients work all
the while. When everything has healed all is read back, and what the clients saw must be linearizable: above all, no
acknowledged write is lost.

Exit codes: 0 all that is claimed holds; 1 it does not, or an error; 2 the run was void (a planned kind of fault never
took effect, or too little was answered); 130 interrupted. What fails is kept in a folder; one command runs it again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from coterie.cli.list_option import Listing

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `nemesis` to the command line."""
    parser = subparsers.add_parser(
        "nemesis",
        help="carry a plan of faults out on real processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("plan", help="a file (a plan, a saved case, a run folder), or a profile (see --list)")
    parser.add_argument("--list", action=Listing, names=_profiles, help="name the profiles, and end")
    parser.add_argument("--nodes", type=int, metavar="N", help="how many nodes (default 5, or the plan's)")
    parser.add_argument("--seconds", type=float, metavar="S", help="how long a profile's plan lasts (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="for the profile, the clients and the weather (default 0)")
    parser.add_argument("--clients", type=int, default=10, help="how many (default 10)")
    parser.add_argument(
        "--skip-unsupported",
        action="store_true",
        help="leave out of a file's plan what only a simulator can do, and name it (default: refuse the plan)",
    )
    parser.add_argument("--keep", metavar="DIR", help="keep everything in this new directory, whatever comes out")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.set_defaults(run=run, usual_log_level="error")  # broken links are what was asked for


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie nemesis`; return the exit code."""
    from coterie.cli.nemesis_run import carry_out  # noqa: PLC0415 (it brings all of coterie along)

    return carry_out(args)


def _profiles() -> Iterable[str]:
    from coterie.protocols.faults.profiles.fault_profiles import PROFILES  # noqa: PLC0415 (no other command needs to know faults)

    return PROFILES
