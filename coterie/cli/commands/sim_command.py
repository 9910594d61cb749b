"""`coterie sim`: simulates a scenario under random faults and checks invariants, or tests the checkers with mutants.

    coterie sim raft --seeds 2000 --jobs 2             many seeds
    coterie sim raft --seed 123                        one seed, with the hash of its trace
    coterie sim raft --replay coterie-runs/raft-123    replay a saved failure
    coterie sim raft --plan plan.json --seeds 20       your own fault plan
    coterie sim shop.tests:scenario --seeds 200        your own scenario
    coterie sim raft --check-determinism               each seed twice, in processes with different string hashes
    coterie sim mutants --jobs 2                       deliberate bugs: the checkers must find each one
    coterie sim partial-partitions --seeds 100         single links of Raft groups break: in how many election
                                                       time-outs they recover, and what does not

A failure is shrunk to few faults, operations and nodes, and saved in a folder with its plan, trace, history, timeline,
message sequence chart and the log of its nodes; one command replays it. Simulated nodes log to the terminal only with
--log-level, and never with --jobs above 1.

Exit codes: 0 all passed, 1 an invariant broke (or a seed is not deterministic, or a mutant survived), or an error,
reported in one line on stderr; 2 some runs were void (nothing broke, but too little happened) or could not be checked,
or wrong usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from coterie.cli.log_options import NOTHING
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.list_option import ListOption, NameOption, profile_names
from coterie.cli.topologies.topology_argument import add_traceback
from coterie.interrupts import raising_interrupts

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
        help="run a scenario under seeded faults and check its invariants",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenario", help="a name (see --list), package.module:attribute, mutants, or partial-partitions"
    )
    parser.add_argument(
        "--list", action=ListOption, names=_scenarios, help="print the names of coterie's own scenarios and exit"
    )
    parser.add_argument(
        "--seeds", type=_positive, metavar="N", help=f"how many seeds (default {SEEDS}; partial partitions: 20)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="the first seed; without --seeds: only this seed, with its trace hash"
    )
    parser.add_argument(
        "--level", choices=LEVELS, help="pure protocols, or whole systems (default: the first level the scenario has)"
    )
    told = f"the fault profile (default {PROFILE})"
    parser.add_argument("--profile", action=NameOption, names=profile_names, default=PROFILE, metavar="P", help=told)
    parser.add_argument("--nodes", type=_positive, metavar="N", help="how many nodes (default: drawn from the seed)")
    parser.add_argument("--operations", type=_positive, metavar="N", help="the largest number of client operations")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="J", help="how many processes (default 1)")
    parser.add_argument("--plan", metavar="FILE", help="a fault plan or a saved case, instead of a profile")
    parser.add_argument("--replay", metavar="FOLDER", help="replay a saved failure (its folder, or a case.json)")
    parser.add_argument("--check-determinism", action="store_true", help="run each seed twice and compare the traces")
    parser.add_argument("--runs", default=RUNS, metavar="DIR", help=f"where failures are saved (default {RUNS})")
    parser.add_argument(
        "--shrink",
        type=float,
        default=SHRINKING_S,
        metavar="S",
        help="time limit for shrinking a failure (s; 0: do not shrink)",
    )
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="only this mutant or partial partition (may be repeated)"
    )
    add_output(parser)
    add_traceback(parser)
    parser.set_defaults(run=run, usual_log_level=NOTHING)  # the log of nodes under faults would fill pages
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie sim`; return the exit code."""
    from coterie.cli.sim_run import run_sim  # noqa: PLC0415 (it imports all of coterie)

    with raising_interrupts():  # what has been found is told, and the workers end
        return run_sim(args)


def _scenarios() -> Iterable[str]:
    from coterie.exploring.scenario_discovery import scenario_names  # noqa: PLC0415 (it imports the simulator)

    return scenario_names()


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
