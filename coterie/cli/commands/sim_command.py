"""`coterie sim`: run a scenario under faults, seed after seed, before its judges; or see the judges kill mutants.

    coterie sim raft --seeds 2000 --jobs 2             many seeds
    coterie sim raft --seed 123                        one seed, with the hash of its trace
    coterie sim raft --replay coterie-runs/raft-123    a saved failure again
    coterie sim raft --plan plan.json --seeds 20       under faults of one's own
    coterie sim shop.tests:scenario --seeds 200        a scenario of one's own
    coterie sim raft --check-determinism               each seed twice, in processes with different string hashes
    coterie sim mutants --jobs 2                       deliberate bugs: each must be killed

A failure is cut down to few faults, operations and nodes, and saved in a folder with its plan, trace, history, timeline
message sequence chart and the log of its nodes; one command shows it again. On the terminal nobody logs, unless
--log-level says what one wants to see; with --jobs never.

Exit codes: 0 all passed, 1 an invariant broke (or a seed is not deterministic, or a mutant survived), or an error, told
in one line on stderr; 2 some runs were void (nothing broke, but too little happened) or could not be judged, or wrong
usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from coterie.cli.list_option import Listing
from coterie.cli.log_options import NOTHING

__all__ = ["add_parser", "run"]

LEVELS = ("protocol", "system")
PROFILE = "everything"
SHRINKING_S = 60.0
SEEDS = 100
RUNS = "coterie-runs"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command `sim` to the command line; `run` carries it out."""
    parser = subparsers.add_parser(
        "sim",
        help="run a scenario under seeded faults, before its judges",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", help="a name (see --list), package.module:attribute, or mutants")
    parser.add_argument("--list", action=Listing, names=_scenarios, help="name coterie's own scenarios, and end")
    parser.add_argument("--seeds", type=_positive, metavar="N", help=f"how many seeds (default {SEEDS})")
    parser.add_argument("--seed", type=int, metavar="S", help="the first seed; alone: only this one, and its hash")
    parser.add_argument("--level", choices=LEVELS, help="what is simulated")
    parser.add_argument("--profile", default=PROFILE, metavar="P", help=f"which faults (default {PROFILE})")
    parser.add_argument("--nodes", type=_positive, metavar="N", help="how many nodes (default: as the seed says)")
    parser.add_argument("--operations", type=_positive, metavar="N", help="the most that clients ask for")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="J", help="how many processes (default 1)")
    parser.add_argument("--plan", metavar="FILE", help="the faults (a plan, or a saved case) instead of a profile")
    parser.add_argument("--replay", metavar="FOLDER", help="run a saved failure again (its folder, or a case.json)")
    parser.add_argument("--check-determinism", action="store_true", help="run each seed twice and compare the traces")
    parser.add_argument("--runs", default=RUNS, metavar="DIR", help=f"where failures are saved (default {RUNS})")
    parser.add_argument(
        "--shrink",
        type=float,
        default=SHRINKING_S,
        metavar="S",
        help="how long to cut a failure down (s; 0: not at all)",
    )
    parser.add_argument("--only", action="append", metavar="NAME", help="with mutants: this one (again for more)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.set_defaults(run=run, usual_log_level=NOTHING)  # what nodes say of their faults would fill pages
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie sim`; return the exit code."""
    from coterie.cli.sim_run import carry_out  # noqa: PLC0415 (it brings all of coterie along)

    return carry_out(args)


def _scenarios() -> Iterable[str]:
    from coterie.exploring.scenario_discovery import names  # noqa: PLC0415 (it brings the simulator along)

    return names()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)
