"""`coterie up` on real processes: a node that is killed comes back, SIGTERM ends all, a second run finds the data."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.cli import main
from coterie.node_process import cluster_in

MODULE = """
from coterie import KeyValue, Topology

topology = Topology("shop", nodes=["n1", "n2"])
topology.raft("store", machine=KeyValue)
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "up_of_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("up_of_tests", None)


class Running:
    """`coterie up` in a process of its own, read line by line."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coterie", "up", "up_of_tests:topology", "--port", "0"],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := re.match(pattern, line):
                return match
        raise AssertionError(f"it ended without a line like {pattern}")

    def pids(self) -> dict[str, int]:
        """Wait until both nodes are up; return their processes."""
        ups = [self.wait_for(r"(n\d) \| node '\1' of 'shop' is up at \S+ \(pid (\d+)\)") for _ in range(2)]
        return {up[1]: int(up[2]) for up in ups}

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_killed_node_comes_back_and_sigterm_ends_all_and_the_next_run_finds_the_data(shop: Path) -> None:
    running = Running(shop)
    pids = running.pids()

    os.kill(pids["n2"], signal.SIGKILL)
    running.wait_for(r"n2 \| ended with code -9: restart in 0\.\d s")
    pids["again"] = int(running.wait_for(r"n2 \| node 'n2' of 'shop' is up at \S+ \(pid (\d+)\)")[1])
    code = running.end()

    assert code == 0
    assert not any(map(is_alive, pids.values()))
    assert [cluster_in(str(shop / "coterie-data" / node)) for node in ("n1", "n2")] == ["shop", "shop"]
    again = Running(shop)
    again.pids()
    assert again.end() == 0


def test_a_taken_port_is_named_before_anything_is_made(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert main(["up", "up_of_tests:topology", "--port", str(port)]) == 1

    assert f"node 'n1' cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert not (shop / "coterie-data").exists()


@pytest.mark.parametrize("port", ["-1", "65535"])
def test_a_port_out_of_range_is_named(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "up_of_tests:topology", "--port", port]) == 1
    assert f"--port {port}: 2 ports from there must be in 1 … 65535" in capsys.readouterr().err


@pytest.mark.slow
def test_data_of_another_cluster_is_refused_by_name(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Running(shop)
    first.pids()
    assert first.end() == 0
    (shop / "up_of_tests.py").write_text(MODULE.replace('"shop"', '"other"'))
    sys.modules.pop("up_of_tests", None)

    assert main(["up", "up_of_tests:topology", "--port", "0"]) == 1

    error = capsys.readouterr().err
    assert "coterie-data/n1" in error
    assert "holds data of cluster 'shop', not of 'other'" in error
