"""Entry point of `python -m benchmarks`: reads options, runs the chosen benchmarks, prints and saves the results."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks.catalogue import BENCHMARKS
from benchmarks.harness.estimate import in_words
from benchmarks.harness.kept_results import KeptResults
from benchmarks.harness.plot import plot, require_plotting
from benchmarks.harness.results import Result, write_json
from benchmarks.harness.settings import Settings
from benchmarks.peers.peer_catalogue import PEERS

__all__ = ["main"]

LONG_S = 60.0
"""How much must be left to say so after each benchmark, seconds."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks (default: all but the long ones) and print their results."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    if chosen.list:
        _list()
        return 0
    _check_names(parser, "benchmark", chosen.names, list(BENCHMARKS))
    peers = _peers(parser, chosen.peers)
    if chosen.runs < 1:
        parser.error(f"--runs {chosen.runs}: at least 1")
    if chosen.plot:
        try:
            require_plotting()
        except ImportError as error:
            parser.error(str(error))
    kept = KeptResults(chosen.json, is_silent=False)
    settings = Settings(1 if chosen.quick else chosen.runs, chosen.quick, peers, kept)
    status = _run_all(chosen.names or _default_names(settings), settings)
    if chosen.json:
        write_json(chosen.json, kept.results)
    if chosen.plot and kept.results:
        plot(chosen.plot, kept.results)
    for line in kept.skipped:
        print(line, file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of coterie; fsync is on.")
    parser.add_argument(
        "names", nargs="*", metavar="name", help="the benchmarks to run (default: all but the long ones, see --list)"
    )
    parser.add_argument("--list", action="store_true", help="list the benchmarks and the peers")
    parser.add_argument(
        "--quick", action="store_true", help="a thousandth of the work, once: only to check that it runs"
    )
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="measurements of each system (default: 5)")
    parser.add_argument(
        "--peers",
        nargs="?",
        const=",".join(PEERS),
        default="",
        metavar="NAMES",
        help=f"also measure other actor systems; names separated by commas (default: all of {', '.join(PEERS)})",
    )
    parser.add_argument("--json", metavar="FILE", help="write the results as a list of objects")
    parser.add_argument("--plot", metavar="FILE", help="draw the results (needs the extra `bench`)")
    return parser


def _default_names(settings: Settings) -> list[str]:
    return [name for name, benchmark in BENCHMARKS.items() if settings.is_quick or not benchmark.is_long]


def _list() -> None:
    for name, benchmark in BENCHMARKS.items():
        print(
            f"{name:<20} {benchmark.description}{' (long: runs only if named)' if benchmark.is_long else ''}"
            f" (about {in_words(benchmark.takes_s)})"
        )
    print("peers:")
    for name, peer in PEERS.items():
        missing = peer.missing()
        print(f"{name:<16} {'installed' if missing is None else missing}")


def _check_names(parser: argparse.ArgumentParser, what: str, names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"there is no {what} {unknown[0]!r}; known: {', '.join(known)}")


def _peers(parser: argparse.ArgumentParser, names: str) -> tuple[str, ...]:
    """Return the requested peers that are installed; print the missing ones."""
    wanted = [name for name in names.split(",") if name]
    _check_names(parser, "peer", wanted, list(PEERS))
    installed = []
    for name in wanted:
        missing = PEERS[name].missing()
        if missing is None:
            installed.append(name)
        else:
            print(f"peer {name} is skipped: {missing}", file=sys.stderr)
    return tuple(installed)


def _run_all(names: Sequence[str], settings: Settings) -> int:
    """Run these benchmarks; return the exit status: 1 if one failed, 130 after Ctrl-C. All results are kept."""
    times_s = [BENCHMARKS[name].estimate_s(settings) for name in names]
    if len(names) > 1:
        _say(f"{len(names)} benchmarks, about {in_words(sum(times_s))}; Ctrl-C ends them, and keeps what was measured")
    status, began_s = 0, time.monotonic()
    for at, name in enumerate(names):
        _say(f"{name}: {BENCHMARKS[name].description} (about {in_words(times_s[at])})")
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                settings.kept.add(runner.run(_measured(name, settings)))
        except KeyboardInterrupt:
            _say(f"\ninterrupted in {name}: what was measured is above")
            return 130
        except Exception as error:  # noqa: BLE001 (one benchmark that fails must not end the others; the status is 1)
            settings.kept.skip(f"benchmark {name}", f"{type(error).__name__}: {error}")
            status = 1
        if (left_s := sum(times_s[at + 1 :])) >= LONG_S:
            _say(f"{at + 1} of {len(names)} in {in_words(time.monotonic() - began_s)}, about {in_words(left_s)} left")
    return status


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def _measured(name: str, settings: Settings) -> list[Result]:
    return await BENCHMARKS[name].run(settings)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
