"""Separate process: runs one measurement in a new process, for work that leaves a large heap behind.

    python -m benchmarks.harness.separate_process <module> <workload> <count>

The process inherits the pinning of its parent, and ends with it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import sys

import uvloop

from benchmarks.harness.processes import Child
from benchmarks.harness.results import Measurement

__all__ = ["in_separate_process"]


async def in_separate_process(module: str, workload: str, count: int) -> Measurement:
    """Run `module.workload(count)` in a new process; return its measurement. RuntimeError if it fails."""
    child = Child(["benchmarks.harness.separate_process", module, workload, str(count)], ready=b"{")
    try:
        await child.start()
        return Measurement(**json.loads(child.first_line))
    finally:
        await child.end()


def _main(module: str, workload: str, count: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        measurement = runner.run(getattr(importlib.import_module(module), workload)(int(count)))
        print(json.dumps(dataclasses.asdict(measurement)), flush=True)
        os._exit(0)  # skip the clean-up of a million actors


if __name__ == "__main__":
    _main(*sys.argv[1:])
