"""Nodes that come and go as real processes: `coterie up`, `run --join`, `members`, `services`, `leave`, `down`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coterie.cli import main

MODULE = """
from coterie import Actor, Ask, Members, Role, Topology, message

@message(name="come_and_go.Where")
class Where(Ask[str]):
    pass

class Worker(Actor[Where]):
    def __init__(self, node):
        self.node = node.name

    def receive(self, msg):
        return self.node

topology = Topology("shop", nodes=Members(founders=["n1", "n2", "n3"]))
topology.actor("worker", Worker, nodes=Role("worker"), service="work")

def plain():
    return Topology("shop", nodes=["n1"])
"""

WHERE = "come_and_go:topology"


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "come_and_go.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("come_and_go", None)


class Process:
    """A command in a process of its own, whose output is read line by line."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coterie", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []

    def line_with(self, pattern: str) -> re.Match[str]:
        """Read until a line matches."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if (found := re.search(pattern, line)) is not None:
                return found
        raise AssertionError(f"no line with {pattern!r}: {''.join(self.lines)}")

    def ended(self) -> int:
        """Wait for the end; return the exit code."""
        self.lines += self.process.communicate(timeout=60)[0].splitlines(keepends=True)
        return self.process.returncode


@pytest.fixture
def founders() -> Iterator[tuple[Process, str]]:
    """Three founders, and the address of one."""
    up = Process("up", WHERE, "--port", "0")
    try:
        found = [up.line_with(r"is up at (\S+) ")[1] for _ in range(3)]
        yield up, found[0]
    finally:
        up.process.send_signal(signal.SIGTERM)
        up.ended()


def joining(seed: str, *options: str) -> Process:
    return Process("run", WHERE, "--node", "n4", "--listen", "127.0.0.1:0", "--join", seed, *options)


class Operator:
    """Runs commands on a cluster, in this process."""

    def __init__(self, seed: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.seed = seed
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str]:
        """Return the exit code, and what was printed."""
        code = main([*words, "--connect", self.seed])
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def view(self) -> dict[str, Any]:
        members: dict[str, Any] = json.loads(self("members", "-o", "json")[1])["data"]["view"]["members"]
        return members

    def until_up(self, *names: str) -> None:
        for _ in range(200):
            if [name for name, row in self.view().items() if row["state"] == "up"] == list(names):
                return
        raise AssertionError(self.view())


@pytest.mark.slow
def test_a_node_joins_serves_leaves_comes_back_and_is_taken_down(
    founders: tuple[Process, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, seed = founders
    command = Operator(seed, capsys)
    command.until_up("n1", "n2", "n3")
    node = joining(seed, "--role", "worker", "--label", "zone=b", "--data", "d4", "--bootstrap", "join")
    try:
        node.line_with("is up at")
        command.until_up("n1", "n2", "n3", "n4")
        assert (command.view()["n4"]["roles"], command.view()["n4"]["labels"]) == (["worker"], {"zone": "b"})
        while "worker" not in command("services")[1]:
            assert node.process.poll() is None
        assert command("leave", "n4")[0] == 0
        assert node.ended() == 0
        assert node.lines[-1] == "node 'n4' of 'shop' has left the cluster\n"
    finally:
        node.process.kill()

    node = joining(seed, "--data", "d4")
    try:
        node.line_with("is up at")
        command.until_up("n1", "n2", "n3", "n4")
        assert command("down", "n4")[0] == 5
        assert command("down", "n4", "--yes")[0] == 0
        assert node.ended() == 1
        assert node.lines[-1].startswith("coterie: node 'n4' has ended: 'n4' (incarnation ")
    finally:
        node.process.kill()


@pytest.mark.slow
def test_a_founder_that_leaves_is_not_started_again_and_a_second_one_may_not(
    founders: tuple[Process, str], capsys: pytest.CaptureFixture[str]
) -> None:
    up, seed = founders
    command = Operator(seed, capsys)
    command.until_up("n1", "n2", "n3")

    assert command("leave", "n3")[0] == 0
    up.line_with("n3 . it is not started again: it has left the cluster")
    code, said = command("leave", "n2")

    assert (code, "the cluster refuses: 'n2'" in said) == (1, True)
    assert command("status")[0] == 5


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "give --join HOST:PORT, where one of them listens"),
        (["--join", "nowhere"], "--join: "),
        (["--join", "a:1", "--label", "zone"], "--label 'zone': write KEY=VALUE"),
        (["--join", "a:1", "--label", "zone=b", "--label", "zone=c"], "--label 'zone' is given twice"),
        (["--join", "a:1", "--role", ""], "--role '': a role has a name"),
        (["--join", "a:1", "--advertise", "here"], "--advertise: "),
        (["--join", "a:1", "--data", "d4", "--bootstrap", "new"], "is formatted with --bootstrap join"),
    ],
)
def test_options_of_a_node_that_joins_are_checked(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", WHERE, "--node", "n4", "--listen", "127.0.0.1:0", *options]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert told in captured.err


def test_a_topology_that_names_its_nodes_takes_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    plain = ["run", "come_and_go:plain", "--listen", "127.0.0.1:0"]

    assert main([*plain, "--node", "n4", "--join", "a:1"]) == 3
    assert main([*plain, "--node", "n1", "--join", "a:1", "--role", "x"]) == 2
    told = capsys.readouterr().err
    assert "--join is for topologies with Members" in told
    assert "--role is for topologies with Members" in told
