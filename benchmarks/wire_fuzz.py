"""Wire fuzzing: sends millions of mutated frames to a node, and checks for crashes, wrong deliveries and memory growth.

    python -m benchmarks.wire_fuzz --frames 10000000 --seed 1

On a failure it prints the seed, the case and its bytes, and exits with 1; `--case` runs that case again.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import random
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fuzzing.fuzz_target import FuzzTarget
from benchmarks.fuzzing.wire_attacks import (
    AUTH,
    PropertyViolation,
    TrustedPeer,
    damaged_stream,
    hostile_payloads,
    invalid_chunks,
    untrusted_acceptor,
    untrusted_dialers,
)

KINDS = ("damaged stream", "hostile payloads", "damaged stream", "untrusted peers", "invalid chunks")
GROWTH_BYTES_MAX = 64 * 1024
PROBE_CASES = 400
REPORT_EVERY_FRAMES = 500_000


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed case, with all that is needed to reproduce it."""

    seed: int
    case: int
    kind: str
    error: str
    fed: list[list[bytes]]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, case {self.case} ({self.kind}): {self.error}"]
        lines += [f"  connection {at}: {b''.join(fed).hex()}" for at, fed in enumerate(self.fed)]
        return "\n".join(lines)


class Fuzzer:
    """Runs cases against one target for its whole life, so that leaks add up."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._case = 0
        self._target = FuzzTarget(AUTH, random.Random(f"{seed}/victim"))
        self._recorded = TrustedPeer(self._target, random.Random(f"{seed}/friend"), "friend").payloads
        self._target.reset()

    def run_case(self, case: int) -> int:
        """Run one case; return the number of frames fed. PropertyViolation or a transport error if it fails."""
        self._case = case
        rng, target, name = random.Random(f"{self._seed}/{case}"), self._target, f"peer-{case}"
        match KINDS[case % len(KINDS)]:
            case "damaged stream":
                count = damaged_stream(target, rng, name)
            case "hostile payloads":
                count = hostile_payloads(target, rng, name)
            case "invalid chunks":
                count = invalid_chunks(target, rng, name)
            case _:
                count = untrusted_dialers(target, rng, self._recorded)
                count += untrusted_acceptor(rng, self._recorded)
        target.reset()
        if target.leftover_entries():
            raise PropertyViolation(f"{target.leftover_entries()} entries of closed connections are left")
        return count

    def failure(self, error: BaseException) -> Failure:
        """Return the report of the case that has just failed."""
        kind, text = KINDS[self._case % len(KINDS)], f"{type(error).__name__}: {error}"
        return Failure(self._seed, self._case, kind, text, self._target.fed())

    def growth_bytes(self, first_case: int) -> int:
        """Return the growth of memory over `PROBE_CASES` cases, after as many to warm up."""
        tracemalloc.start()
        try:
            sizes = []
            for start in (first_case, first_case + PROBE_CASES):
                for case in range(start, start + PROBE_CASES):
                    self.run_case(case)
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
            return sizes[1] - sizes[0]
        finally:
            tracemalloc.stop()


def fuzz(seed: int, first_case: int, step: int, frames: int, reports: multiprocessing.Queue[object]) -> None:
    """Run cases `first_case`, `first_case + step`, … until `frames` frames are fed; report to the queue."""
    fuzzer, fed, reported, case = Fuzzer(seed), 0, 0, first_case
    try:
        growths = [fuzzer.growth_bytes(2**40)]
        while fed < frames:
            fed += fuzzer.run_case(case)
            case += step
            if fed - reported >= REPORT_EVERY_FRAMES:
                reports.put(fed - reported)
                reported = fed
        growths.append(fuzzer.growth_bytes(2**41))
    except Exception as error:  # noqa: BLE001 (any error is a finding)
        reports.put(fuzzer.failure(error))
        return
    reports.put(fed - reported)
    reports.put(growths)


def run(seed: int, frames: int, processes: int) -> int:
    """Fuzz in several processes; print progress and the outcome; return the exit status."""
    reports: multiprocessing.Queue[object] = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=fuzz, args=(seed, at, processes, -(-frames // processes), reports), daemon=True)
        for at in range(processes)
    ]
    began_s, fed, ended = time.perf_counter(), 0, 0
    for worker in workers:
        worker.start()
    while ended < processes:
        report = reports.get()
        if isinstance(report, Failure):
            print(f"BROKEN: {report}", file=sys.stderr)
            return 1
        if isinstance(report, int):
            fed += report
            rate = fed / (time.perf_counter() - began_s)
            print(f"{fed:>12,} of {frames:,} frames, {rate:,.0f}/s", flush=True)
        elif isinstance(report, list):
            ended += 1
            if max(report) > GROWTH_BYTES_MAX:
                print(
                    f"BROKEN: seed {seed}: memory grew by {max(report)} bytes in {PROBE_CASES} cases", file=sys.stderr
                )
                return 1
            print(f"memory in {PROBE_CASES} cases, at the beginning and at the end: {report} bytes")
    print(f"held: {fed:,} frames, seed {seed}, {time.perf_counter() - began_s:.1f} s on {processes} process(es)")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wire_fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--frames", type=int, default=1_000_000, help="the number of frames to feed")
    parser.add_argument("--seed", type=int, default=1, help="the seed of all randomness")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="the number of processes")
    parser.add_argument("--case", type=int, help="run this one case only")
    options = parser.parse_args(arguments)
    if options.case is None:
        return run(options.seed, options.frames, options.processes)
    fuzzer = Fuzzer(options.seed)
    try:
        print(f"held: {fuzzer.run_case(options.case)} frames")
    except Exception as error:  # noqa: BLE001 (as in `fuzz`)
        print(f"BROKEN: {fuzzer.failure(error)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
