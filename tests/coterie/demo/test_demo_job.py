"""The demo job with real processes: a kill in the middle of the work, a comparison, no process left behind."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.data_directory import format_store

START = [sys.executable, "-m", "coterie", "demo"]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Sixty files, and three that count nothing."""
    folder = tmp_path / "sources"
    folder.mkdir()
    for number in range(60):
        lines = [f"def name_{line % (number + 7)}(self): return other_{number}.value" for line in range(300)]
        (folder / f"file_{number:02}.py").write_text("\n".join(lines))
    (folder / "bad_coding.py").write_bytes(b"# coding: uft-8\n")
    (folder / "bad_syntax.py").write_bytes(b"f(\n")
    (folder / "too_large.py").write_bytes(b"a\n" * (1 << 20) + b"b")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_killed_node_loses_nothing_and_a_second_run_has_its_own_totals(sources: Path, tmp_path: Path) -> None:
    for victim, *options in (("leader",), ("follower",), ("leader", "--lose-disk")):
        command = [*START, "-o", "json", "--input", str(sources), "--kill", victim, "--data", str(tmp_path / "data")]
        command += options
        ended = subprocess.run(command, capture_output=True, text=True, timeout=140, check=False)

        assert ended.returncode == 0, ended.stdout + ended.stderr
        found = json.loads(ended.stdout)
        assert (found["verdict"], found["errors"]) == ("passed", [])
        facts = found["data"]
        promised = {"files": 63, "acknowledged": 63, "identical": True, "lost": 0, "duplicated": 0, "void": []}
        assert promised.items() <= facts.items()
        assert facts["skipped"] == ["bad_coding.py", "bad_syntax.py", "too_large.py"]
        assert facts["killed_leader"] is (victim == "leader")
        assert facts["failover_ms"] > 0
        assert facts["in_flight"] >= facts["unanswered"] > 0
        assert facts["resent"] > 0
        assert facts["acknowledged_away"] > 0
        assert "KILL" in ended.stderr
        assert "has caught up" in ended.stderr
        assert ("is a voter again, with the store" in ended.stderr) is ("--lose-disk" in options)


class RunningDemo:
    """A demo under way; `seen` is what it has printed so far."""

    def __init__(self, *options: str) -> None:
        self.process = subprocess.Popen(
            [*START, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.seen = ""

    def read_until(self, word: str) -> None:
        """Read lines until one holds `word`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen += line
            if word in line:
                return
        raise AssertionError(f"it never printed {word!r}: {self.seen}")

    @property
    def ports(self) -> list[int]:
        return [int(port) for port in re.findall(r"starts at 127\.0\.0\.1:(\d+)", self.seen)]


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll a condition; the limit is the test's own time limit."""
    while not condition():
        time.sleep(0.05)  # the processes have lost their parent: nothing can be awaited


@pytest.fixture
def demo(sources: Path) -> Iterator[RunningDemo]:
    running = RunningDemo("--input", str(sources))
    yield running
    running.process.kill()
    running.process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_demo_leaves_nothing_behind(demo: RunningDemo, number: signal.Signals, code: int) -> None:
    demo.read_until(" leads")
    found = re.search(r"data in (\S+) ", demo.seen)
    assert found
    assert Path(found[1]).exists()

    demo.process.send_signal(number)
    _, errors = demo.process.communicate(timeout=60)

    assert demo.process.returncode == code
    assert errors == ""
    assert len(demo.ports) == 3
    assert all(is_closed(port) for port in demo.ports)
    assert not Path(found[1]).exists()


@pytest.mark.slow
def test_nodes_end_when_the_demo_is_killed(sources: Path, tmp_path: Path) -> None:
    demo = RunningDemo("--input", str(sources), "--data", str(tmp_path / "data"))
    demo.read_until(" leads")

    demo.process.kill()
    demo.process.communicate()

    assert len(demo.ports) == 3
    wait_for(lambda: all(is_closed(port) for port in demo.ports))


@pytest.mark.slow
def test_data_of_a_cluster_of_another_size_is_refused_before_anything_starts(sources: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncio.run(format_store(RealHost(), str(data / "n1"), cluster="demo-3", node="n1"))
    options = ["--input", str(sources), "--data", str(data), "--kill", "none", "--nodes", "5"]

    ended = subprocess.run([*START, *options], capture_output=True, text=True, timeout=100, check=False)

    assert ended.returncode == 1
    assert "holds data of 'demo-3', not of 'demo-5'" in ended.stderr
    assert not (data / "n4").exists()
