"""`coterie run`, `status` and `kv` on a real node in a process of its own; and every bad input."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie import Client
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.cli import cluster_connection, main, make_parser
from coterie.cli.commands import run_command
from coterie.cli.commands.run_command import parse_peers
from coterie.cli.security_options import security_of
from coterie.cli.topologies.topology_argument import load_topology
from coterie.errors import CoterieError
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.data_directory import format_store
from tests.runtime.transport.certificate_authority import Authority

SHOP = """
from coterie import Actor, Ask, KeyValue, Supervision, Topology, message

topology = Topology("shop", nodes=["n1"])
topology.raft("store", machine=KeyValue)
topology.synod("config")

def other():
    return Topology("other", nodes=["n1", "n2"])

def unknown_node():
    made = Topology("shop", nodes=["n1"])
    made.raft("store", machine=KeyValue, nodes=["n9"])
    return made

def renamed():
    made = Topology("shop", nodes=["n1"])
    made.raft("sums", machine=KeyValue)
    return made

@message(name="shop.Work")
class Work(Ask[int]):
    number: int

class Front(Actor[Work]):
    def __init__(self, node):
        pass
    def receive(self, msg):
        return 10 // msg.number

def vital():
    made = Topology("shop", nodes=["n1"])
    made.actor("front", Front, supervision=Supervision(max_restarts=2, ends_system=True))
    return made

def boom():
    raise RuntimeError("two\\nlines")

number = 3
"""


@pytest.fixture(autouse=True)
def _same_log_level() -> Iterator[None]:
    logger = logging.getLogger("coterie")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in a folder with the module `shop_of_tests`."""
    (tmp_path / "shop_of_tests.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("shop_of_tests", None)


class RunningNode:
    """A node in its own process; `address` is where it listens."""

    def __init__(
        self,
        shop: Path,
        *options: str,
        topology: str = "shop_of_tests:topology",
        cluster: str = "shop",
        keeps_stderr: bool = False,
    ) -> None:
        command = [sys.executable, "-m", "coterie", "run", topology, "--node", "n1", "--with-stdin"]
        self.process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *options],
            cwd=shop,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if keeps_stderr else None,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        up = re.fullmatch(rf"node 'n1' of '{cluster}' is up at (\S+) \(pid (\d+)\)\n", self.line)
        assert up, self.line
        self.address = up[1]
        assert int(up[2]) == self.process.pid

    def end(self) -> int:
        """Close its standard input, as the end of its parent does; return the exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


@pytest.fixture
def node(shop: Path) -> Iterator[RunningNode]:
    running = RunningNode(shop, "--data", "data", "--bootstrap", "new")
    yield running
    running.end()


def format_data() -> None:
    """Format the data directory `data` for node n1 of the cluster `shop`."""
    asyncio.run(format_store(RealHost(), "data", cluster="shop", node="n1"))


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    return code, capsys.readouterr().out


def refusal(
    capsys: pytest.CaptureFixture[str], *options: str, topology: str = "shop_of_tests:topology", exit_code: int = 1
) -> str:
    """Run a node that must not start; return the line that says why, one for each mistake."""
    code = main(["run", topology, "--node", "n1", "--listen", "127.0.0.1:0", *options])
    captured = capsys.readouterr()
    assert code == exit_code
    assert captured.out == ""
    assert all(line.startswith("coterie: ") for line in captured.err.splitlines())
    return captured.err


# --- a running node ---------------------------------------------------------------------------------------------------


def test_store_is_read_and_written(node: RunningNode, capsys: pytest.CaptureFixture[str]) -> None:
    connect = ("--connect", node.address)

    assert said(capsys, "kv", "get", "k", *connect) == (3, "")
    assert said(capsys, "kv", "put", "k", "größe", *connect) == (0, "")
    assert said(capsys, "kv", "get", "k", *connect) == (0, "größe\n")
    assert said(capsys, "kv", "incr", "n", "5", *connect) == (0, "5\n")
    assert said(capsys, "kv", "incr", "n", *connect) == (0, "6\n")
    assert said(capsys, "kv", "cas", "k", "--value", "x", *connect) == (1, "")
    assert said(capsys, "kv", "cas", "k", "--expect", "größe", "--value", "x", *connect) == (0, "")
    assert main(["kv", "incr", "k", *connect]) == 1
    assert "is not a number" in capsys.readouterr().err
    assert said(capsys, "kv", "scan", *connect) == (0, "k\tx\nn\t6\n")
    assert said(capsys, "kv", "scan", "n", *connect) == (0, "n\t6\n")
    assert said(capsys, "kv", "delete", "k", *connect) == (0, "")
    assert said(capsys, "kv", "delete", "k", *connect) == (3, "")
    code, absent = said(capsys, "kv", "get", "k", *connect, "-o", "json")
    assert (code, json.loads(absent)["cluster"], json.loads(absent)["data"]) == (3, "shop", None)
    assert json.loads(absent)["errors"] == [{"code": "not_found", "message": "'store' has no key 'k'"}]
    code, found = said(capsys, "kv", "scan", *connect, "-o", "json")
    assert (code, json.loads(found)["data"]) == (0, {"pairs": [{"key": "n", "value": "6"}]})
    assert main(["kv", "get", "k", "--store", "config", *connect]) == 3
    assert "'config' is a synod, and no group: the groups are store" in capsys.readouterr().err


def test_status_tells_of_nodes_and_groups(node: RunningNode, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "kv", "put", "k", "v", "--connect", node.address)

    code, printed = said(capsys, "status", "--connect", node.address)
    _, as_json = said(capsys, "status", "--connect", node.address, "-o", "json")

    assert code == 0
    assert "node n1 of shop: runs store, config" in printed
    assert re.search(r"n1 +leader +1 n1 ", printed)
    found = json.loads(as_json)
    assert (found["command"], found["cluster"], found["verdict"]) == ("status", "shop", "healthy")
    status = found["data"]["groups"]["store"]["n1"]
    assert (status["role"], status["applied_index"]) == ("leader", status["commit_index"])

    assert main(["status", "--connect", node.address, "--group", "nothing"]) == 3
    assert "there is no group 'nothing': the nodes run store" in capsys.readouterr().err
    assert said(capsys, "actors", "stor", "--connect", node.address)[0] == 0
    assert said(capsys, "actors", "nothing", "--connect", node.address)[0] == 3


def test_address_without_a_listener_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_connection, "CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"

        code = main(["status", "--connect", address])

    assert code == 4
    assert address in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_node_ends_in_order_on_a_signal_and_keeps_its_data(
    shop: Path, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    first = RunningNode(shop, "--data", "data", "--bootstrap", "new")
    said(capsys, "kv", "put", "k", "v", "--connect", first.address)
    first.process.send_signal(number)
    assert first.process.wait(60) == code
    first.end()

    second = RunningNode(shop, "--data", "data")

    assert said(capsys, "kv", "get", "k", "--connect", second.address) == (0, "v\n")
    assert second.end() == 0


async def test_a_node_that_is_told_to_end_hands_its_leadership_over_first(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained: list[bool] = []

    async def drain(node: Node) -> tuple[str, ...]:
        drained.append(node.system.fault is None and await node.key_value("store").get(b"k") is None)
        return ()

    monkeypatch.setattr(Node, "drain", drain)
    args = make_parser().parse_args(["run", "shop_of_tests:topology", "--node", "n1", "--listen", "127.0.0.1:0"])
    up = asyncio.Event()
    monkeypatch.setattr(run_command, "print_lines", lambda lines, **_: up.set())
    running = asyncio.create_task(
        run_command._run(args, load_topology("shop_of_tests:topology"), {}, security_of(args))
    )
    await up.wait()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert drained == [True]


async def test_a_node_that_stores_in_memory_warns_of_it_once_and_names_its_groups(
    shop: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for options in ((), ("--data", "data", "--bootstrap", "new")):
        words = ["run", "shop_of_tests:topology", "--node", "n1", "--listen", "127.0.0.1:0", *options]
        args = make_parser().parse_args(words)
        up = asyncio.Event()
        monkeypatch.setattr(run_command, "print_lines", lambda lines, up=up, **_: up.set())
        topology = load_topology("shop_of_tests:topology")
        running = asyncio.create_task(run_command._run(args, topology, {}, security_of(args)))
        await up.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    (warned,) = [record for record in caplog.records if record.getMessage().startswith("store.in_memory")]
    assert warned.levelname == "WARNING"
    assert "give --data DIR" in warned.getMessage()
    assert vars(warned)["facts"]["groups"].split(", ")[0] == "store"


def test_node_ends_when_its_parent_is_gone(shop: Path) -> None:
    running = RunningNode(shop)

    assert running.end() == 0


def test_node_ends_with_the_actor_that_it_is_of_no_use_without(shop: Path) -> None:
    running = RunningNode(shop, topology="shop_of_tests:vital", keeps_stderr=True)

    async def fail_three_times() -> None:
        load_topology("shop_of_tests:vital")
        work = sys.modules["shop_of_tests"].Work
        async with Client([running.address]) as client:
            front = client.actor("front", node="n1")
            for _ in range(3):
                with contextlib.suppress(CoterieError):
                    await front.ask(work(0))

    asyncio.run(fail_three_times())
    _, errors = running.process.communicate(timeout=60)

    assert running.process.returncode == 1
    assert errors.splitlines()[-1] == (
        "coterie: actor 'front' has ended node 'n1': it has spent its restart budget (2 in 30 s): "
        "ZeroDivisionError: integer division or modulo by zero"
    )
    assert "system.failed" in errors


# --- bad input --------------------------------------------------------------------------------------------------------


def test_unformatted_data_directory_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'data' is not formatted" in refusal(capsys, "--data", "data")


def test_data_directory_in_use_is_named(node: RunningNode, capsys: pytest.CaptureFixture[str]) -> None:
    assert "data directory 'data' is in use" in refusal(capsys, "--data", "data")


def test_data_directory_that_is_formatted_twice_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    format_data()

    assert "'data' already holds a store: leave out --bootstrap" in refusal(
        capsys, "--data", "data", "--bootstrap", "new"
    )


def test_data_directory_of_another_cluster_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    format_data()

    told = refusal(capsys, "--data", "data", topology="shop_of_tests:other")

    assert "'data' belongs to node 'n1' of cluster 'shop', not to node 'n1' of cluster 'other'" in told


def test_a_node_runs_as_another_cluster_if_it_is_told_so(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    format_data()
    assert "of cluster 'shop', not to node 'n1' of cluster 'rehearsal'" in refusal(
        capsys, "--data", "data", "--cluster", "rehearsal"
    )

    running = RunningNode(shop, "--data", "other", "--bootstrap", "new", "--cluster", "rehearsal", cluster="rehearsal")
    _, told = said(capsys, "status", "--connect", running.address)
    running.end()

    assert told.startswith("node n1 of rehearsal: runs ")


def test_damaged_data_directory_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    format_data()
    meta = shop / "data" / "meta"
    meta.write_bytes(meta.read_bytes().replace(b'"n1"', b'"n2"'))

    told = refusal(capsys, "--data", "data")

    assert "meta" in told
    assert "is damaged at byte" in told


async def _store_a_value() -> None:
    async with load_topology("shop_of_tests:topology").start(node="n1", data="data", bootstrap="new") as node:
        await node.key_value("store").put(b"k", b"v")


def test_a_group_that_the_topology_lacks_is_named_until_it_is_forgotten(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(_store_a_value())

    told = refusal(capsys, "--data", "data", topology="shop_of_tests:renamed", exit_code=2)
    assert "the store in 'data' holds group 'store', which the topology does not declare" in told
    assert "--forget-group store" in told
    told = refusal(capsys, "--data", "data", "--forget-group", "store", exit_code=2)
    assert "group 'store' is declared: it cannot be forgotten" in told

    running = RunningNode(shop, "--data", "data", "--forget-group", "store", topology="shop_of_tests:renamed")
    assert running.end() == 0
    assert "was forgotten in the store in 'data'" in refusal(capsys, "--data", "data", exit_code=2)


def test_a_first_start_that_is_refused_leaves_nothing_formatted(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bootstrap = ("--data", "data", "--bootstrap", "new")
    for options in (
        ("--peer", "n1=127.0.0.1:1"),
        ("--forget-group", "other"),
        ("--tls-certificate", "none.crt", "--tls-key", "none.key", "--tls-authority", "none.pem"),
    ):
        refusal(capsys, *bootstrap, *options, exit_code=2)
        assert not (shop / "data" / "meta").exists()
    assert RunningNode(shop, *bootstrap).end() == 0


def test_a_certificate_of_another_name_keeps_a_node_from_starting(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = Authority(shop).issue("n2", alternatives=("n2", "n3"))
    options = ["--tls-certificate", tls.certificate, "--tls-key", tls.key, "--tls-authority", tls.authority]
    options += ["--listen", "127.0.0.1:0", "--data", "d", "--bootstrap", "new"]

    code = main(["run", "shop_of_tests:topology", "--node", "n1", *options])

    assert code == 2
    error = capsys.readouterr().err
    assert f"--tls-certificate {tls.certificate!r} is issued to 'n2', 'n3', and the node is 'n1'" in error
    assert "give a certificate and key (--tls-key) issued to 'n1'" in error
    assert not (shop / "d").exists()


def test_busy_port_is_named(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = f"127.0.0.1:{busy.getsockname()[1]}"

        code = main(["run", "shop_of_tests:topology", "--node", "n1", "--listen", address])

    assert code == 1
    assert f"cannot listen on {address}: Address already in use" in capsys.readouterr().err


def test_busy_udp_port_is_named_as_udp(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "shop_of_tests.py").write_text(
        "from coterie import Swim, Topology\n"
        "topology = Topology('shop', nodes=['n1'])\n"
        "topology.detector(Swim.local())\n"
    )
    with socket.socket(type=socket.SOCK_DGRAM) as busy:
        busy.bind(("127.0.0.1", 0))
        port = busy.getsockname()[1]

        code = main(["run", "shop_of_tests:topology", "--node", "n1", "--listen", f"127.0.0.1:{port}"])

    assert code == 1
    assert f"cannot listen on 127.0.0.1:{port}: UDP port {port} of 127.0.0.1 is in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topology", "words"),
    [
        ("shop_of_tests:nothing", "has no 'nothing'"),
        ("shop_of_tests:number", "it is of type int"),
        ("shop_of_tests:boom", "RuntimeError: two lines"),
        ("shop_of_tests:unknown_node", "is on node 'n9', which the topology does not have"),
        ("no_such_module:topology", "No module named 'no_such_module'"),
    ],
)
def test_topology_that_is_none_is_named(
    shop: Path, capsys: pytest.CaptureFixture[str], topology: str, words: str
) -> None:
    assert words in refusal(capsys, topology=topology, exit_code=2)


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        (("--node", "n7"), 3, "--node 'n7': the topology has n1"),
        (("--peer", "n2"), 2, "--peer 'n2': write NODE=HOST:PORT"),
        (("--peer", "n2=nowhere"), 2, "--peer n2: 'nowhere' is no address"),
        (("--peer", "n9=127.0.0.1:1"), 3, "--peer 'n9': the topology has n1"),
        (("--listen", "nowhere"), 2, "--listen: 'nowhere' is no address"),
        (("--listen", "0.0.0.0:0"), 1, "refused to listen on '0.0.0.0'"),
        (("--bootstrap", "new"), 2, "--bootstrap new formats a data directory: give --data DIR"),
    ],
)
def test_wrong_option_is_named(
    shop: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], exit_code: int, words: str
) -> None:
    assert words in refusal(capsys, *options, exit_code=exit_code)


@pytest.mark.parametrize("topology", ["shop_of_tests", "shop_of_tests:", ":topology"])
def test_a_text_that_names_no_topology_is_wrong_usage(
    shop: Path, capsys: pytest.CaptureFixture[str], topology: str
) -> None:
    assert "does not name a topology: write module:name" in refusal(capsys, topology=topology, exit_code=2)


def test_topology_is_an_object_or_what_a_callable_returns(shop: Path) -> None:
    made = load_topology("shop_of_tests:topology")
    returned = load_topology("shop_of_tests:other")

    assert isinstance(made, Topology)
    assert (made.name, returned.name) == ("shop", "other")


def test_peer_that_is_given_twice_is_named() -> None:
    with pytest.raises(ValueError, match="'n2' is given twice"):
        parse_peers(["n2=127.0.0.1:1", "n2=127.0.0.1:2"])
