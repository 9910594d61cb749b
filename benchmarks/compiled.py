"""Compiled core: compares the speed of the simulated protocols in pure Python and compiled with mypyc.

    python -m benchmarks.compiled --seeds 6

Compiles a copy of the protocols, their simulator and its checkers in a temporary folder (about two minutes; needs mypy,
setuptools and a C compiler), runs the same seeds of `raft` with five nodes alternately with both, and prints events per
second of processor time. Both must have the same traces.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from coterie.exploring.run_jobs import Job, run_job, worker_settings
from coterie.protocols.faults.kinds.fault_kinds import Level

__all__ = ["COMPILED", "main"]

ROOT = Path(__file__).parent.parent
ROUNDS = 3

COMPILED = (
    "durability_gate", "quorums", "replicated_log", "raft/applier", "raft/elections", "raft/follower",
    "raft/durability", "raft/leadership", "raft/entry_loading", "raft/raft_log", "raft/raft_messages",
    "raft/replication/progress",
    "raft/pending_proposals", "raft/raft", "raft/role", "sessions/session_commands", "sessions/deduplication",
    "sessions/session_replies", "checking/raft_checker", "checking/raft_disk", "checking/raft_log_checker",
    "simulation/scenarios/protocol_clients", "simulation/protocol_disk", "simulation/faults/link_faults",
    "simulation/protocol_network", "simulation/protocol_node", "simulation/scenarios/raft_run",
    "simulation/faults/link_rules", "simulation/event_heap", "simulation/protocol_world",
)  # fmt: skip
"""The compiled modules of `coterie.protocols`: the hot ones in a profile of the simulated Raft."""

BUILD = """
from mypyc.build import mypycify
from setuptools import setup

options = ["--ignore-missing-imports", "--follow-imports=silent"]
setup(name="compiled", ext_modules=mypycify(options + {files!r}, opt_level="3"))
"""


@dataclass(frozen=True, slots=True)
class CompiledRun:
    """The result of one process: events, their processor time (s), and a digest of all traces."""

    events: int
    cpu_s: float
    digest: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compiled",
        description="Compare the simulated protocols in pure Python and compiled with mypyc.",
    )
    parser.add_argument("--seeds", type=int, default=6, metavar="N", help="the number of seeds (default 6)")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        measured = measure(chosen.seeds)
        print(json.dumps([measured.events, measured.cpu_s, measured.digest]))
        return 0
    missing = [name for name in ("mypyc", "setuptools") if importlib.util.find_spec(name) is None]
    if missing:
        parser.error(f"{' and '.join(missing)} not installed: pip install mypy setuptools")
    with tempfile.TemporaryDirectory(prefix="coterie-compiled-") as folder:
        print(f"compiling {len(COMPILED)} modules …", file=sys.stderr)
        build(Path(folder))
        return report([(run_in(ROOT, chosen.seeds), run_in(Path(folder), chosen.seeds)) for _ in range(ROUNDS)])


def measure(seeds: int) -> CompiledRun:
    """Run the seeds in this process: once for the time, once for the traces."""
    with worker_settings():
        begin_s = time.process_time()
        events = sum(run_job(_job(seed)).events for seed in range(seeds))
        cpu_s = time.process_time() - begin_s
        digests = [run_job(_job(seed, hashed=True)).digest for seed in range(seeds)]
    return CompiledRun(events, cpu_s, sha256(json.dumps(digests).encode()).hexdigest())


def _job(seed: int, *, hashed: bool = False) -> Job:
    return Job("raft", seed, Level.PROTOCOL, nodes=5, hashed=hashed)


def build(folder: Path) -> None:
    """Compile a copy of the package and the benchmarks in `folder`. RuntimeError: with the compiler's output."""
    for name in ("coterie", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = [f"coterie/protocols/{name}.py" for name in COMPILED]
    (folder / "build_it.py").write_text(BUILD.format(files=files))
    command = [sys.executable, "build_it.py", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"mypyc or the C compiler failed:\n{(done.stdout + done.stderr)[-2000:]}")


def run_in(folder: Path, seeds: int) -> CompiledRun:
    """Measure in a new process that imports the packages in `folder`."""
    command = [sys.executable, "-m", "benchmarks.compiled", "--measure", "--seeds", str(seeds)]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    return CompiledRun(*json.loads(done.stdout))


def report(rounds: Sequence[tuple[CompiledRun, CompiledRun]]) -> int:
    """Print the best run of each; return 1 if the traces differ."""
    if len({measured.digest for pair in rounds for measured in pair}) != 1:
        print("the traces differ: the compiled modules behave differently")
        return 1
    plain, compiled = (max(each.events / each.cpu_s for each in side) for side in zip(*rounds, strict=True))
    print(f"pure Python   {plain:10,.0f} events/s")
    print(f"compiled      {compiled:10,.0f} events/s  = {compiled / plain:.2f} x, the same traces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
