"""A peer for tests, which fails as real ones do: it raises, exits, hangs, or prints something else."""

from __future__ import annotations

import asyncio
import os

from benchmarks.harness.results import Measurement
from benchmarks.peers.peer_runs import RunRequest

COUNT_MAX = {"fails_later": 10}

calls: list[int] = []


async def works(request: RunRequest) -> Measurement:
    return Measurement(1000.0, {"size": 2.0})


async def raises(request: RunRequest) -> Measurement:
    raise RuntimeError("no more processes are allowed")


async def fails_later(request: RunRequest) -> Measurement:
    calls.append(request.count)
    if len(calls) > 2:  # the first call finds out how much work takes a second
        os.write(2, b"system limit reached\n")
        os._exit(7)
    return Measurement(5.0)


async def hangs(request: RunRequest) -> Measurement:
    os.write(2, b"waiting for a tree that never ends\n")
    await asyncio.Event().wait()
    raise AssertionError


async def chatters(request: RunRequest) -> Measurement:
    if calls:
        os.write(1, b"Segmentation fault (core dumped)\n")
    calls.append(request.count)
    return Measurement(1000.0)


WORKLOADS = {
    "works": works, "raises": raises, "fails_later": fails_later, "hangs": hangs, "chatters": chatters,
}  # fmt: skip
