"""`python -m benchmarks`: every messaging benchmark runs, nothing is dropped, mistakes are named, children end."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import BENCHMARKS, Benchmark
from benchmarks.harness.results import Result
from benchmarks.harness.settings import Settings
from benchmarks.peers.peer_catalogue import PEERS, Peer

ROOT = Path(__file__).parent.parent.parent
LOCAL = ("tell", "ask", "ping_pong", "fan_in", "ring", "spawn", "skynet", "timers")
REMOTE = ("remote_tell", "remote_ask", "heartbeat_delay")


def quick(*names: str, file: Path) -> list[dict[str, object]]:
    """Run these benchmarks quickly, as a user does; return their results."""
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "--quick", "--json", str(file), *names]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    results: list[dict[str, object]] = json.loads(file.read_text(encoding="utf-8"))
    return results


@pytest.mark.slow
@pytest.mark.parametrize("names", [LOCAL, REMOTE], ids=["local", "remote"])
def test_each_question_is_answered_beside_its_floor(names: tuple[str, ...], tmp_path: Path) -> None:
    results = quick(*names, file=tmp_path / "results.json")

    systems_by_benchmark: dict[object, set[object]] = {}
    for result in results:
        systems_by_benchmark.setdefault(result["benchmark"], set()).add(result["system"])
    assert {str(benchmark).partition("/")[0] for benchmark in systems_by_benchmark} == set(names)
    assert all({"floor", "coterie"} <= systems for systems in systems_by_benchmark.values())
    assert all(result["ratio"] for result in results if result["system"] == "coterie")


def test_list_names_every_benchmark_with_its_question_and_every_peer(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--list"])

    printed = capsys.readouterr().out.splitlines()
    assert status == 0
    assert [line.split()[0] for line in printed if line != "peers:"] == [*BENCHMARKS, *PEERS]
    assert all(line.split(maxsplit=1)[1] for line in printed if line != "peers:")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tel"], "there is no benchmark 'tel'; known: tell, ask"),
        (["tell", "--peers", "akka"], "there is no peer 'akka'; known: pykka"),
        (["tell", "--runs", "0"], "--runs 0: at least 1"),
    ],
)
def test_a_mistake_is_named(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)

    assert raised.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_plot_without_matplotlib_is_refused_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(SystemExit):
        main(["tell", "--plot", "bars.png"])

    assert "pip install 'coterie[bench]'" in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_skipped_with_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(PEERS, "pykka", Peer("benchmarks.peers.pykka_peer", package="no_such_package"))

    status = main(["ping_pong", "--quick", "--peers", "pykka"])

    printed = capsys.readouterr()
    assert status == 0
    assert "peer pykka is skipped: no package 'no_such_package'" in printed.err
    assert "coterie" in printed.out


def test_a_program_that_is_missing_is_named() -> None:
    peer = Peer("benchmarks.peers.erlang_peer", programs=("no-such-program",), install="apt-get install it")

    assert peer.missing() == "no program 'no-such-program' (apt-get install it)"


def test_an_interrupted_benchmark_ends_its_children() -> None:
    command = [sys.executable, "-m", "benchmarks", "remote_ask", "--runs", "1000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    children = wait_for_children(process.pid)

    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in complaints
    assert not [pid for pid in children if is_alive(pid)]


def wait_for_children(pid: int) -> list[int]:
    """Return the children of a process, once it has any."""
    file = Path(f"/proc/{pid}/task/{pid}/children")
    deadline = time.monotonic() + 60
    while not (children := file.read_text(encoding="ascii").split()):
        assert time.monotonic() < deadline
        os.sched_yield()
    return [int(child) for child in children]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has taken note of does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def fake(run: Callable[[Settings], Awaitable[list[Result]]], seconds: float = 120.0) -> Benchmark:
    return Benchmark("Measures something.", run, seconds)


RESULT = Result("fake/first", "coterie", "tells/s", (3.0,))


async def works(settings: Settings) -> list[Result]:
    return [Result("fake/other", "coterie", "tells/s", (5.0,))]


async def fails(settings: Settings) -> list[Result]:
    settings.kept.add([RESULT])
    raise RuntimeError("the run is invalid: 7 messages were dropped")


async def is_interrupted(settings: Settings) -> list[Result]:
    settings.kept.add([RESULT])
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(60)
    return []


def names_in(file: Path) -> list[object]:
    return [result["benchmark"] for result in json.loads(file.read_text(encoding="utf-8"))]


def test_a_benchmark_that_fails_is_named_and_the_others_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(BENCHMARKS, "tell", fake(fails))
    monkeypatch.setitem(BENCHMARKS, "ask", fake(works))

    status = main(["tell", "ask", "--json", str(tmp_path / "results.json")])

    printed = capsys.readouterr()
    assert status == 1
    assert printed.err.count("benchmark tell is skipped: RuntimeError: the run is invalid: 7 messages") == 2
    assert [line.split()[0] for line in printed.out.splitlines()] == ["fake/first", "fake/other"]
    assert names_in(tmp_path / "results.json") == ["fake/first", "fake/other"]


def test_ctrl_c_prints_and_writes_what_there_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(BENCHMARKS, "tell", fake(is_interrupted))
    monkeypatch.setitem(BENCHMARKS, "ask", fake(works))

    status = main(["tell", "ask", "--json", str(tmp_path / "results.json")])

    printed = capsys.readouterr()
    assert status == 130
    assert [line.split()[0] for line in printed.out.splitlines()] == ["fake/first"]
    assert "interrupted in tell" in printed.err
    assert names_in(tmp_path / "results.json") == ["fake/first"]


def test_a_long_run_says_how_long_it_will_take(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(BENCHMARKS, "tell", fake(works))
    monkeypatch.setitem(BENCHMARKS, "ask", fake(works, 600.0))

    main(["tell", "ask", "--runs", "10"])

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "2 benchmarks, about 24 min; Ctrl-C ends them, and keeps what was measured"
    assert lines[1] == "tell: Measures something. (about 4 min)"
    assert lines[2].endswith("about 20 min left")
    assert lines[3] == "ask: Measures something. (about 20 min)"


def test_peers_and_runs_are_part_of_the_estimate() -> None:
    benchmark, own = fake(works, 100.0), Benchmark("", works, 100.0, has_runs=False)

    assert benchmark.estimate_s(Settings(runs=5)) == 100.0
    assert benchmark.estimate_s(Settings(runs=10)) == 200.0
    assert benchmark.estimate_s(Settings(runs=5, peers=("pykka", "ray"))) > 120.0
    assert benchmark.estimate_s(Settings(is_quick=True)) == 5.0
    assert own.estimate_s(Settings(runs=10)) == 100.0
