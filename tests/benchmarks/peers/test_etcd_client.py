"""etcd's client: its figures are read or refused, and its process ends with the measurement, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks.peers.etcd.etcd_client import ETCD_CLIENT, EtcdLoad, EtcdSteadyWrites, GoProgram
from benchmarks.peers.load_figures import LoadFigures, read_figures

FIGURES = {
    "count": 10, "per_s": 2.5, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "max_ms": 4.0, "errors": 0, "cpu_s": 0.1,
}  # fmt: skip
LOAD = EtcdLoad(("http://127.0.0.1:1",), "put", clients=7, size=123, keys=9)


def fake(mode: str) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("fake_etcd_client.py")), mode]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_figures_are_read() -> None:
    figures = read_figures(json.dumps(FIGURES).encode() + b"\n", ETCD_CLIENT)

    assert figures == LoadFigures(10, 2.5, 1.0, 2.0, 3.0, 4.0, 0, 0.1)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"panic: runtime error\n",
        b"[1, 2]\n",
        b'{"count": 10}\n',
        json.dumps({**FIGURES, "p99_ms": None}).encode(),
        json.dumps({**FIGURES, "per_s": "2.5"}).encode(),
        json.dumps({**FIGURES, "per_s": float("nan")}).encode(),
        json.dumps({**FIGURES, "max_ms": float("inf")}).encode(),
        json.dumps({**FIGURES, "count": -1}).encode(),
        json.dumps({**FIGURES, "errors": True}).encode(),
        b"\xff\xfe",
    ],
)
def test_what_is_no_figures_is_refused_with_what_was_printed(line: bytes) -> None:
    with pytest.raises(ValueError, match="etcd's client printed no figures: ") as raised:
        read_figures(line, ETCD_CLIENT)

    assert line[:20].decode(errors="replace").strip() in str(raised.value)


async def test_a_load_is_measured_with_the_options_that_were_given() -> None:
    begun: list[str] = []
    figures = await LOAD.measure(
        warm_up_s=0.0, measure_s=0.1, at_begin=lambda: begun.append("begin"), command=fake("works")
    )

    assert (figures.count, figures.per_s, figures.errors) == (7, 123.0, 9)
    assert begun == ["begin"]


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        ("ends early", RuntimeError, "etcd's client ended early, with code 3"),
        ("chatters", ValueError, "printed no figures: 'Segmentation fault'"),
        ("does not begin", ValueError, "printed figures before the measurement began"),
    ],
)
async def test_a_client_that_fails_is_named_with_its_words(mode: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        await LOAD.measure(warm_up_s=0.0, measure_s=0.1, command=fake(mode))


async def test_a_client_that_hangs_is_killed_when_the_measurement_is_cancelled() -> None:
    program, entered = GoProgram([], fake("hangs")), asyncio.Event()

    async def measure() -> None:
        async with program:
            await program.line()
            entered.set()
            await program.line()

    measuring = asyncio.create_task(measure())
    await entered.wait()
    assert program._process is not None
    pid = program._process.pid
    assert is_alive(pid)
    measuring.cancel()

    assert isinstance((await asyncio.gather(measuring, return_exceptions=True))[0], asyncio.CancelledError)
    assert not is_alive(pid)


async def test_steady_writes_tell_when_a_write_after_the_mark_is_acknowledged() -> None:
    async with EtcdSteadyWrites(["http://127.0.0.1:1"], interval_s=0.01, command=fake("steady")) as writes:
        await writes.ready()
        await writes.first_acknowledged()
        await writes.first_acknowledged()


async def test_steady_writes_that_do_not_begin_are_refused() -> None:
    async with EtcdSteadyWrites(["http://127.0.0.1:1"], interval_s=0.01, command=fake("not ready")) as writes:
        with pytest.raises(ValueError, match="not that it is ready"):
            await writes.ready()
