"""`coterie up` on real processes: a node that is killed or hangs comes back, SIGTERM ends all, data is found again."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from coterie import Client, Swim, Topology, message
from coterie.cli import main
from coterie.cli.commands import up_command
from coterie.cli.commands.up_command import _addresses
from coterie.node_process import cluster_in
from coterie.runtime.hosts.real_resources import RealResources
from coterie.runtime.hosts.resource_reading import DescriptorReading
from tests.runtime.transport.certificate_authority import Authority

MODULE = """
from coterie import KeyValue, Topology

topology = Topology("shop", nodes=["n1", "n2"])
topology.raft("store", machine=KeyValue)
"""

HANGING = """
import time

from coterie import Actor, Topology, message
from coterie.protocols.detection.swim.swim import Swim

@message(name="shop.Hang")
class Hang:
    pass

class Front(Actor[Hang]):
    def __init__(self, node):
        pass

    def receive(self, msg: Hang) -> None:
        time.sleep(3600)

def of(*nodes):
    topology = Topology("shop", nodes=nodes)
    topology.actor("front", Front)
    return topology

alone = of("n1")
pair = of("n1", "n2")
monitored = of("n1", "n2", "n3")
monitored.detector(Swim.local())
"""

WITH_CHILD = (
    MODULE
    + """
import subprocess
import sys

if "n2" in sys.argv and "run" in sys.argv:
    subprocess.Popen(["sleep", "300"])
"""
)

BROKEN = (
    MODULE
    + """
import os
import sys

if "n2" in sys.argv and "run" in sys.argv:
    os._exit(7)
"""
)

UP = r"(n\d) \| node '\1' of 'shop' is up at (\S+) \(pid (\d+)\)"


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "up_of_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("up_of_tests", None)
    for process in Running.started:
        process.kill()  # of a test that failed; its nodes end with it
        process.wait()
    Running.started.clear()


@message(name="shop.Hang")
class Hang:
    """The same message as that of the module of the test."""


class Running:
    """`coterie up` in a process of its own, read line by line."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, folder: Path, *options: str, topology: str = "topology", stderr: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coterie", "up", f"up_of_tests:{topology}", "--port", "0", *options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
        self.started.append(self.process)

    def wait_for(self, pattern: str) -> re.Match[str]:
        return self.wait_for_all(pattern)[0]

    def wait_for_all(self, *patterns: str) -> list[re.Match[str]]:
        """Wait for a line for each pattern, in any order."""
        assert self.process.stdout is not None
        found: dict[str, re.Match[str]] = {}
        for line in self.process.stdout:
            found |= {pattern: match for pattern in patterns if (match := re.match(pattern, line))}
            if len(found) == len(patterns):
                return [found[pattern] for pattern in patterns]
        raise AssertionError(f"it ended without a line for each of {patterns}")

    def ups(self, count: int = 2) -> dict[str, tuple[str, int]]:
        """Wait until `count` nodes are up; return the address and process of each."""
        ups = [self.wait_for(UP) for _ in range(count)]
        return {up[1]: (up[2], int(up[3])) for up in ups}

    def pids(self, count: int = 2) -> dict[str, int]:
        """Wait until `count` nodes are up; return their processes."""
        return {node: pid for node, (_, pid) in self.ups(count).items()}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


async def hang(address: str, node: str) -> None:
    """Let an actor block the event loop of a node."""
    async with Client([address]) as client:
        client.actor("front", node=node).tell(Hang())


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


@pytest.mark.slow
def test_a_killed_node_comes_back_although_its_child_lives_on_and_sigterm_ends_all(shop: Path) -> None:
    (shop / "up_of_tests.py").write_text(WITH_CHILD)
    running = Running(shop)
    pids = running.pids()
    again: dict[str, int] = {}
    try:
        os.kill(pids["n2"], signal.SIGKILL)
        running.wait_for(r"n2 \| ended with code -9: restart in 0\.\d s")
        again = running.pids(1)

        assert list(again) == ["n2"]
        assert running.end() == 0
        assert not any(map(is_alive, [*pids.values(), *again.values()]))
    finally:
        for group in (pids["n2"], *again.values()):
            os.killpg(group, signal.SIGKILL)  # the children


@pytest.mark.parametrize(
    ("options", "of_nodes", "own"),
    [((), "warning", logging.ERROR), (("--log-level", "nothing"), "nothing", logging.CRITICAL + 1)],
)
def test_the_log_level_is_that_of_the_nodes(
    options: tuple[str, ...], of_nodes: str, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, list[str]]] = []

    def not_made(*_: object, options: dict[str, list[str]], **__: object) -> None:
        seen.append(options)
        raise ValueError("enough")

    monkeypatch.setattr(up_command, "ClusterSupervisor", not_made)

    assert main(["up", "up_of_tests:topology", "--port", "0", *options]) == 2
    assert seen == [{node: ["--log-level", of_nodes] for node in ("n1", "n2")}]
    assert logging.getLogger("coterie").level == own


def test_a_taken_udp_port_is_named_if_there_is_a_detector() -> None:
    topology = Topology("shop", nodes=["n1"])
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        with socket.socket() as free:  # a port that is free for links: others run tests, too
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
            taken.bind(("127.0.0.1", port))
        assert _addresses(topology, port) == {"n1": f"127.0.0.1:{port}"}

        topology.detector(Swim.local())
        with pytest.raises(OSError, match=rf"node 'n1' cannot listen on .*UDP port {port} is in use"):
            _addresses(topology, port)


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
    assert main(["up", "up_of_tests:topology", "--port", port]) == 2
    assert f"--port {port}: 2 ports from there must be in 1 … 65535" in capsys.readouterr().err


def test_a_limit_of_open_files_that_is_too_low_is_one_line_before_anything_is_made(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RealResources, "descriptors", lambda _: DescriptorReading(14, 64))

    assert main(["up", "up_of_tests:topology", "--port", "0"]) == 1

    assert capsys.readouterr().err == (
        "coterie: the limit of open files is 64, and 14 are open: a node with 1 other node needs a limit of at least "
        "82; raise it (ulimit -n 82)\n"
    )
    assert not (shop / "coterie-data").exists()


def test_a_certificate_of_another_name_keeps_all_nodes_from_starting(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = Authority(shop)
    for node in ("n1", "n2"):
        authority.issue("n1", file=node)
    paths = [f"{shop}/{{node}}.crt", "--tls-key", f"{shop}/{{node}}.key", "--tls-authority", str(authority.path)]

    code = main(["up", "up_of_tests:topology", "--port", "0", "--tls-certificate", *paths])

    assert code == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "/n2.crt' is issued to 'n1', and the node is 'n2'" in error
    assert not (shop / "coterie-data").exists()


@pytest.mark.slow
def test_data_of_another_cluster_is_refused_by_name(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Running(shop)
    first.pids()
    assert first.end() == 0
    (shop / "up_of_tests.py").write_text(MODULE.replace('"shop"', '"other"'))
    sys.modules.pop("up_of_tests", None)

    assert main(["up", "up_of_tests:topology", "--port", "0"]) == 2

    error = capsys.readouterr().err
    assert "coterie-data/n1" in error
    assert "holds data of cluster 'shop', not of 'other'" in error


@pytest.mark.slow
def test_a_stopped_node_is_fenced_by_the_verdict_of_the_others_and_comes_back(shop: Path) -> None:
    (shop / "up_of_tests.py").write_text(HANGING)
    running = Running(shop, "--hang-timeout", "600", topology="monitored")
    pids = running.pids(3)

    os.kill(pids["n2"], signal.SIGSTOP)
    running.wait_for(rf"n2 \| fenced \(SIGKILL of pid {pids['n2']}\): 2 of the 2 other nodes that answer say")
    running.wait_for(r"n2 \| ended with code -9: restart in 0\.\d s")
    again = running.pids(1)

    assert running.end() == 0
    assert list(again) == ["n2"]
    assert not any(map(is_alive, [*pids.values(), *again.values()]))


@pytest.mark.slow
@pytest.mark.parametrize(("topology", "count"), [("alone", 1), ("pair", 2)])
def test_a_node_whose_loop_is_blocked_is_fenced_without_a_detector(shop: Path, topology: str, count: int) -> None:
    (shop / "up_of_tests.py").write_text(HANGING)
    running = Running(shop, "--hang-timeout", "2", topology=topology)
    address, pid = running.ups(count)["n1"]

    asyncio.run(hang(address, "n1"))
    running.wait_for(rf"n1 \| fenced \(SIGKILL of pid {pid}\): it has not answered for [2-9]\.\d s")
    again = running.pids(1)

    assert running.end() == 0
    assert list(again) == ["n1"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_that_always_fails_is_given_up_loudly_and_the_others_go_on(shop: Path, number: signal.Signals) -> None:
    (shop / "up_of_tests.py").write_text(BROKEN)
    running = Running(shop, "--max-restarts", "1")

    given_up = r"n2 \| GIVEN UP: it ended 2 times within 120 s, last with the codes 7, 7;"
    _, survivor = running.wait_for_all(given_up, UP)
    os.kill(int(survivor[3]), signal.SIGKILL)  # it is restarted
    survivors = running.pids(1)

    assert list(survivors) == ["n1"]
    assert running.end(number) == 1
    assert not any(map(is_alive, survivors.values()))


@pytest.mark.slow
def test_an_output_that_nobody_reads_any_more_ends_all_nodes_without_a_traceback(shop: Path) -> None:
    running = Running(shop, stderr=subprocess.PIPE)
    pids = running.pids()
    assert running.process.stdout is not None
    running.process.stdout.close()

    os.kill(pids["n2"], signal.SIGKILL)  # which must be said
    _, stderr = running.process.communicate(timeout=60)

    assert (running.process.returncode, stderr) == (141, "")
    assert not any(map(is_alive, pids.values()))


@pytest.mark.slow
def test_a_node_whose_code_is_broken_is_given_up_at_once_and_the_others_go_on(shop: Path) -> None:
    running = Running(shop)
    pids = running.pids()
    (shop / "up_of_tests.py").write_text(MODULE + "\ndef half(\n")

    os.kill(pids["n2"], signal.SIGKILL)
    running.wait_for(r"n2 \| coterie: .*up_of_tests\.py, line 7: SyntaxError")
    running.wait_for(r"n2 \| GIVEN UP: it cannot start with the topology, the options and the data that it has;")

    assert is_alive(pids["n1"])
    assert running.end() == 1


@pytest.mark.slow
def test_damaged_data_of_a_node_is_one_line_and_ends_all(shop: Path) -> None:
    running = Running(shop, stderr=subprocess.PIPE)
    pids = running.pids()
    (shop / "coterie-data" / "n2" / "meta").write_bytes(b"rot")

    os.kill(pids["n2"], signal.SIGKILL)
    _, stderr = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert stderr.startswith("coterie: ")
    assert stderr.count("\n") == 1
    assert not any(map(is_alive, pids.values()))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ["--hang-timeout", "0.5"],
            "--hang-timeout: the hang timeout is 0.5 s: it must be at least 2 s",
        ),
        (["--hang-timeout", "-1"], "--hang-timeout: the hang timeout is -1 s"),
        (["--hang-timeout", "nan"], "--hang-timeout: the hang timeout is nan s"),
        (["--max-restarts", "-1"], "--max-restarts, --restart-window: max_restarts is -1: it must be 0 or more"),
        (["--restart-window", "0"], "--max-restarts, --restart-window: within_s is 0.0: it must be more than 0"),
    ],
)
def test_an_option_out_of_range_is_named(options: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "up_of_tests:topology", "--port", "0", *options]) == 2
    assert error in capsys.readouterr().err
