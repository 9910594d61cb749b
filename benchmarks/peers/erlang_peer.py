"""Erlang/OTP adapter: runs the benchmarks in Erlang, one process per actor; remote ones use two Erlang nodes.

Each emulator has one scheduler. The workloads are in `bench.erl`, which is compiled into a temporary directory first.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.harness.processes import free_ports
from benchmarks.harness.results import Measurement
from benchmarks.peers.peer_runs import RunRequest, Workload
from coterie.node_process import signal_process

__all__ = ["COUNT_MAX", "POWERS_OF_TEN", "WORKLOADS"]

_SOURCE = Path(__file__).with_name("bench.erl")
_COOKIE = "benchmark"
_RECEIVER = "coterie_benchmark_receiver"
_SENDER = "coterie_benchmark_sender"
_ONE_SCHEDULER = ("+S", "1:1", "+P", "4000000")


@functools.cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="coterie-benchmark-")
    subprocess.run(["erlc", "-o", directory.name, str(_SOURCE)], check=True, stdout=subprocess.DEVNULL)
    return directory


async def _erl(*arguments: str, core: int = -1) -> asyncio.subprocess.Process:
    def pin() -> None:
        if core >= 0:
            os.sched_setaffinity(0, {core})

    return await asyncio.create_subprocess_exec(
        "erl", *_ONE_SCHEDULER, "-noshell", "-pa", _compiled().name, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, preexec_fn=pin,
    )  # fmt: skip


async def _measured(workload: str, count: int, *options: str, node: str = "") -> Measurement:
    """Run a workload in a new emulator; RuntimeError if it prints no rate."""
    process = await _erl(*options, "-run", "bench", "main", workload, str(count), *([node] if node else []))
    printed, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"erl failed at {workload}: {printed.decode()}")
    answer = json.loads(printed)
    rate, *memory = answer if isinstance(answer, list) else [answer]
    return Measurement(rate, {"bytes_per_actor": memory[0]} if memory else {})


async def _local(workload: str, request: RunRequest) -> Measurement:
    return await _measured(workload, request.count)


async def _remote(workload: str, request: RunRequest) -> Measurement:
    async with _port_mapper(), _receiving_node(request.other_core):
        return await _measured(workload, request.count, *_named(_SENDER), node=f"{_RECEIVER}@localhost")


@contextlib.asynccontextmanager
async def _port_mapper() -> AsyncIterator[None]:
    """Run our own port mapper, which ends with this process: one started by `erl` would keep running."""
    (port,) = free_ports(1)
    os.environ["ERL_EPMD_PORT"] = str(port)
    process = await asyncio.create_subprocess_exec("epmd")
    try:
        yield
    finally:
        signal_process(process, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def _receiving_node(core: int) -> AsyncIterator[None]:
    process = await _erl(*_named(_RECEIVER), "-run", "bench", "receiver", core=core)
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the receiving Erlang node did not start")
        yield
    finally:
        signal_process(process, signal.SIGKILL)
        await process.wait()


def _named(name: str) -> tuple[str, ...]:
    return ("-sname", f"{name}@localhost", "-setcookie", _COOKIE, "-start_epmd", "false")


WORKLOADS: dict[str, Workload] = {
    **{
        name: functools.partial(_local, workload)
        for name, workload in {
            "tell/sync": "tell",
            "ask/1": "ask_1",
            "ask/64": "ask_64",
            "ping_pong": "ping_pong",
            "ring": "ring",
            "fan_in": "fan_in",
            "spawn/100000": "spawn",
            "spawn/1000000": "spawn",
            "skynet": "skynet",
            "timers/fire": "timers_fire",
            "timers/cancel": "timers_cancel",
        }.items()
    },
    **{
        name: functools.partial(_remote, workload)
        for name, workload in {
            "remote_tell/small": "remote_tell_small",
            "remote_tell/1KiB": "remote_tell_1KiB",
            "remote_ask/64": "remote_ask_64",
        }.items()
    },
}

COUNT_MAX = {"spawn/100000": 100_000, "spawn/1000000": 1_000_000, "skynet": 1_000_000}
"""Operations in one measurement."""

POWERS_OF_TEN = frozenset({"skynet"})
"""Workloads whose number of operations must be a power of ten: each branch of the tree has ten."""
