"""The example of a service that grows: each step of its text, with real processes, while a client counts."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "growing_service.py"
COTERIE = Path(sys.executable).parent / "coterie"
STEP_S = 60.0

pytestmark = pytest.mark.slow


class Walk:
    """The processes of the example, in a directory of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.release = 1
        self.port = _free_ports()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str, *words: str) -> None:
        """Start a node, or the client."""
        env = {**os.environ, "RELEASE": str(self.release), "PORT": str(self.port)}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, str(EXAMPLE), name, *words], cwd=self.folder, env=env, stdout=log, stderr=log
            )

    def end(self, name: str, number: signal.Signals) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(STEP_S)

    def raft(self, *words: str) -> str:
        """Run a command of the operator; return what it printed."""
        command = [str(COTERIE), "raft", *words, "--connect", f"127.0.0.1:{self.port + 1}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=2 * STEP_S, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr + self.logs()
        return ended.stdout

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in self.folder.glob("*.log"))

    def total(self) -> int:
        """Return the last total that the client printed; it must be alive: it ends at the first call that fails."""
        assert self.processes["client"].poll() is None, self.logs()
        found = re.findall(r"total (\d+)", (self.folder / "client.log").read_text())
        return int(found[-1]) if found else 0

    def goes_on(self) -> None:
        """Wait until the client has counted on."""
        before = self.total()
        self.until(lambda: self.total() > before + 10)

    def until(self, is_so: Callable[[], bool]) -> None:
        end = time.monotonic() + STEP_S
        while not is_so():
            assert time.monotonic() < end, self.logs()
            time.sleep(0.05)


def _free_ports() -> int:
    """Return a port after which five are free."""
    for base in range(21_400, 30_000, 10):
        with contextlib.ExitStack() as held:
            try:
                for number in range(1, 6):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", base + number))
            except OSError:
                continue
            return base
    raise RuntimeError("no five ports in a row are free")


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    made = Walk(tmp_path)
    try:
        yield made
    finally:
        for process in made.processes.values():
            process.kill()
            process.wait()


def test_it_serves_through_an_upgrade_growth_and_a_lost_disk(walk: Walk) -> None:
    for node in ("n1", "n2", "n3"):
        walk.run(node, "new")
    walk.run("client")
    walk.goes_on()

    walk.release = 2
    for node in ("n1", "n2", "n3"):
        walk.end(node, signal.SIGINT)
        walk.run(node)
        walk.goes_on()
    walk.until(lambda: "revision 2" in walk.raft("activate", "totals"))
    for node in ("n4", "n5"):
        walk.run(node, "join")
        assert f"{node}           voter" in walk.raft("add", "totals", node)
    walk.end("n3", signal.SIGKILL)
    shutil.rmtree(walk.folder / "data-n3")
    walk.run("n3", "join")
    members = walk.raft("members", "totals")
    (lost,) = re.findall(r"n3 +voter +([0-9a-f]{32})", members)
    (found,) = re.findall(r"n3 +voter +([0-9a-f]{32})", walk.raft("replace", "totals", "n3", "--store", lost[:6]))
    walk.goes_on()

    assert found != lost
    walk.end("n1", signal.SIGKILL)
    walk.end("n2", signal.SIGKILL)  # of five members three are left: the new ones count
    walk.goes_on()


def test_its_text_has_these_commands() -> None:
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) < 80
    for command in ("python growing_service.py n1 new", "coterie raft activate totals", "coterie raft add totals n4"):
        assert command in text
    for command in ("rm -r data-n3", "coterie raft members totals", "coterie raft replace totals n3 --store ID"):
        assert command in text
