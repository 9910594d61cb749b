"""`python -m benchmarks [names] [--list] [--json FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

from benchmarks import raft_failover, raft_put, raft_steady
from benchmarks.results import Result, show, write_json

BENCHMARKS: dict[str, tuple[Callable[[], Awaitable[list[Result]]], str]] = {
    "raft_put": (raft_put.run, raft_put.__doc__ or ""),
    "raft_failover": (raft_failover.run, raft_failover.__doc__ or ""),
    "raft_steady": (raft_steady.run, raft_steady.__doc__ or ""),
}


def main() -> int:
    """Run the named benchmarks (default: all) and print their results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks of coterie; fsync is on.")
    parser.add_argument("names", nargs="*", metavar="name", help="which to run (default: all)")
    parser.add_argument("--list", action="store_true", help="say which there are")
    parser.add_argument("--json", metavar="FILE", help="write the results as a list of objects")
    arguments = parser.parse_args()
    if arguments.list:
        for name, (_, question) in BENCHMARKS.items():
            print(f"{name:<16} {question.splitlines()[0]}")
        return 0
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    results: list[Result] = []
    for name in arguments.names or BENCHMARKS:
        print(f"{name}: {BENCHMARKS[name][1].splitlines()[0]}", file=sys.stderr)
        results += _run(name)
    if arguments.json:
        write_json(arguments.json, results)
    return 0


def _run(name: str) -> list[Result]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(_awaited(BENCHMARKS[name][0]))
    for result in results:
        print(show(result), flush=True)
    return results


async def _awaited(run: Callable[[], Awaitable[list[Result]]]) -> list[Result]:
    return await run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
