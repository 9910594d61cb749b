"""A lap in a process of its own: `python -m benchmarks.own_process <module> <workload> <count>`.

For work that leaves a large heap behind. The process starts with the pinning of whoever starts it, and ends with it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import os
import sys

import uvloop

from benchmarks.processes import Child
from benchmarks.results import Lap

__all__ = ["in_own_process"]


async def in_own_process(module: str, workload: str, count: int) -> Lap:
    """Let a new process run `module.workload(count)`; return its lap. RuntimeError if it fails."""
    child = Child(["benchmarks.own_process", module, workload, str(count)], ready=b"{")
    try:
        await child.start()
        return Lap(**json.loads(child.first_line))
    finally:
        await child.end()


def _main(module: str, workload: str, count: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lap = runner.run(getattr(importlib.import_module(module), workload)(int(count)))
        print(json.dumps(dataclasses.asdict(lap)), flush=True)
        os._exit(0)  # a million actors need not say goodbye


if __name__ == "__main__":
    _main(*sys.argv[1:])
