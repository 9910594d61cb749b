"""`coterie schema`: what is deployed is kept in a file, and code is checked against it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.node import Node
from coterie.actors.topology.stored_groups import undeclared_mistakes
from coterie.cli import main, make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands.evolving import recorded_schemas, schema_command
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.topologies.topology_argument import load_topology
from coterie.errors import TopologyError
from coterie.protocols.evolution.revisions import Revision

MODULE = """
from coterie import Ask, KeyValue, StateMachine, Topology, message

@message(name="shop.Order")
class Order(Ask[int]):
    sku: str
    amount: int = 1

@message(name="shop.Order")
class LongerOrder(Ask[int]):
    sku: str
    amount: int = 1
    gift: bool = False

@message(name="shop.Order")
class OtherOrder(Ask[int]):
    sku: int
    amount: int = 2

class Shop(StateMachine[Order]):
    version = 2
    def apply(self, command): ...

class Newer(StateMachine[LongerOrder]):
    version = 2
    def apply(self, command): ...

class Older(StateMachine[Order]):
    def apply(self, command): ...

class Wrong(StateMachine[OtherOrder]):
    version = 2
    def apply(self, command): ...

def shop(machine, *more, cluster="shop", nodes=("n1",)):
    topology = Topology(cluster, nodes=nodes)
    topology.raft("orders", machine=machine)
    for name in more:
        topology.raft(name, machine=KeyValue)
    return topology

recorded = shop(Shop, "stock")
newer = shop(Newer, "stock")
older = shop(Older, "stock")
wrong = shop(Wrong, "stock")
grown = shop(Shop, "stock", "carts")
shrunk = shop(Shop)
renamed = shop(Shop, "stocks")
moved = Topology("shop", nodes=["n1", "n2"])
moved.raft("orders", machine=Shop, nodes=["n1"])
moved.raft("stock", machine=KeyValue, nodes=["n2"])
elsewhere = shop(Shop, "stock", cluster="other")
without_n1 = shop(Shop, "stock", nodes=["n2"])
silent = shop(Shop, "stock", nodes=["n1", "n2"])
nothing = Topology("shop", nodes=["n1"])
bad = Topology("shop", nodes=["n1", "n1"])
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "shop_of_tests.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["schema", "dump", "shop_of_tests:recorded", "--out", "schemas.json"]) == 0
    yield
    sys.modules.pop("shop_of_tests", None)


def check(topology: str, *options: str) -> int:
    return main(["schema", "check", f"shop_of_tests:{topology}", "--against", "schemas.json", *options])


@pytest.mark.parametrize(
    ("topology", "code", "output"),
    [
        ("recorded", 0, "group 'orders': the same\ngroup 'stock': the same\n"),
        (
            "newer",
            0,
            (
                "group 'orders': the code is newer; it runs in the recorded version until it is activated\n"
                "  + command 'shop.Order', field 'gift': it is new (bool = false); until it is active every command "
                "has the default, which must mean what the command meant before\n"
                "group 'stock': the same\n"
            ),
        ),
        (
            "older",
            1,
            (
                "group 'orders': the code is older; a node would store and vote, and apply nothing\n"
                "  ! the version: 2 became 1; run the newer code: the group already follows its version\n"
                "group 'stock': the same\n"
            ),
        ),
        (
            "wrong",
            1,
            (
                "group 'orders': the code contradicts what is recorded; a node would not start\n"
                "  ! command 'shop.Order', field 'sku': str became int; "
                "keep the type, and append a field of the new type with a default\n"
                "  ! command 'shop.Order', field 'amount': its default was 1, and now it is 2; "
                "keep the default: entries that leave the field out mean it\n"
                "group 'stock': the same\n"
            ),
        ),
        (
            "grown",
            0,
            (
                "group 'carts': it is new: schemas.json does not have it\n"
                "group 'orders': the same\ngroup 'stock': the same\n"
            ),
        ),
        (
            "shrunk",
            1,
            (
                "group 'orders': the same\ngroup 'stock': schemas.json has it, and the topology does not: "
                "a node whose store holds it would not start; was it renamed or removed? declare it again, or start "
                "each of its nodes with --forget-group stock (forget_groups=), which gives up what it holds, for good\n"
            ),
        ),
    ],
)
def test_code_is_checked_against_the_file(
    topology: str, code: int, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(topology) == code
    assert capsys.readouterr().out == output


def test_one_group_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("wrong", "--group", "stock") == 0
    assert capsys.readouterr().out == "group 'stock': the same\n"
    assert main(["schema", "dump", "shop_of_tests:wrong", "--group", "stock"]) == 0
    assert '"stock"' in (dumped := capsys.readouterr().out)
    assert '"orders"' not in dumped


def test_what_is_dumped_to_the_output_is_what_is_dumped_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "dump", "shop_of_tests:recorded"]) == 0
    assert capsys.readouterr().out == Path("schemas.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ["dump", "shop_of_tests:recorded", "--group", "carts"],
            3,
            "no Raft group 'carts': the groups are orders, stock",
        ),
        (["dump", "shop_of_tests:nothing", "--group", "carts"], 3, "no Raft group 'carts': the groups are none"),
        (["dump", "shop_of_tests:bad"], 2, "node 'n1' is named twice"),
        (["check", "shop_of_tests:recorded", "--against", "none.json"], 1, "none.json"),
        (["check", "shop_of_tests:recorded"], 2, "give either --against or --connect"),
        (["check", "shop_of_tests:recorded", "--against", "."], 1, "'.' is not formatted"),
        (["check", "shop_of_tests:recorded", "--against", "shop_of_tests.py"], 1, "shop_of_tests.py: Expecting value"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: list[str], code: int, error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", *arguments]) == code
    assert error in capsys.readouterr().err


@contextlib.asynccontextmanager
async def running(topology: str, *, bootstrap: bool = False) -> AsyncIterator[Node]:
    """Run the node of a topology once its groups have recorded their schemas."""
    async with load_topology(f"shop_of_tests:{topology}").start(
        node="n1", data="data", bootstrap="new" if bootstrap else None
    ) as node:
        for group in ("orders", "stock"):
            while True:
                (status,) = (await node.group(group).status()).values()
                if isinstance(status, GroupStatus) and status.revision:
                    break
                await asyncio.sleep(0.01)
        yield node


async def run_once() -> None:
    async with running("recorded", bootstrap=True):
        pass


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path("data").iterdir()}


def check_data(topology: str, *options: str) -> int:
    return main(["schema", "check", f"shop_of_tests:{topology}", "--against", "data", *options])


def test_code_is_checked_against_a_data_directory(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(run_once())
    before = files()

    assert check_data("newer") == 0
    assert capsys.readouterr().out.startswith("group 'orders': the code is newer;")
    assert check_data("wrong") == 1
    assert "field 'sku': str became int" in capsys.readouterr().out
    assert files() == before


def test_the_copy_of_a_data_directory_is_private_and_nothing_is_logged_of_it(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(run_once())
    caplog.clear()

    assert check_data("newer") == 0

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def check_connected(topology: str, address: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run `schema check --connect` on the event loop of the node."""
    args = make_parser().parse_args(["schema", "check", f"shop_of_tests:{topology}", "--connect", address])
    args.out = CommandOutput(args.command)
    found = await recorded_schemas._in_cluster(ClusterConnection((address,)), load_topology(args.topology))
    with monkeypatch.context() as patched:
        patched.setattr(schema_command, "recorded_in_cluster", lambda *_: found)
        return schema_command.check(args)


RENAMED = (
    "holds group 'stock', which the topology does not declare: was it renamed, moved or removed? declare it on 'n1' "
    "again, or give up what it holds, for good, with --forget-group stock (forget_groups=)"
)


@pytest.mark.parametrize(("topology", "text"), [("renamed", RENAMED)])
def test_a_group_that_a_data_directory_holds_and_the_topology_lacks_there_is_told_as_the_start_tells_it(
    topology: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(run_once())

    assert check_data(topology) == 1
    printed = capsys.readouterr().out
    assert f"group 'stock': the store in 'data' {text}\n" in printed
    assert printed.startswith("group 'orders': the same\n")
    assert check_data(topology, "--group", "orders") == 0
    assert check_data(topology, "--group", "stock") == 1
    with pytest.raises(TopologyError) as refused:
        start_and_stop(topology)
    assert f"the store in 'data' {text}" in str(refused.value)


def start_and_stop(topology: str) -> None:
    async def start() -> None:
        async with load_topology(f"shop_of_tests:{topology}").start(node="n1", data="data", peers={}):
            pass

    asyncio.run(start())


@pytest.mark.parametrize(("topology", "text"), [("renamed", RENAMED)])
async def test_a_group_that_nodes_hold_and_the_topology_lacks_there_is_told(
    topology: str, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("recorded", bootstrap=True) as node:
        assert await check_connected(topology, node.address, monkeypatch) == 1

    printed = capsys.readouterr().out
    assert f"group 'stock': node n1 {text}\n" in printed
    assert ("group 'stocks': it is new: the cluster does not have it\n" in printed) == (topology == "renamed")


def test_all_nodes_that_hold_an_undeclared_group_are_named_in_one_sentence() -> None:
    topology = load_topology("shop_of_tests:moved")
    told = undeclared_mistakes({"orders": ["n1"], "stock": ["n1", "n2", "n3"], "old": ["n2", "n3"]}, topology.parts)

    assert list(told) == ["old"]  # the other nodes of a group that is declared have joined it
    assert "declare it on 'n2', 'n3' again, or give up" in told["old"]


async def test_a_node_that_does_not_answer_is_named_and_has_an_exit_code_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = load_topology("shop_of_tests:silent")
    async with topology.start(node="n1", data="data", bootstrap="new") as node:
        assert await check_connected("silent", node.address, monkeypatch) == 5
        assert "\nnode 'n2' does not answer: what only it holds was not compared\n" in capsys.readouterr().out
        assert await check_connected("renamed", node.address, monkeypatch) == 1  # what is wrong comes first


async def test_the_schemas_of_a_running_cluster_are_those_of_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    await run_once()
    topology = load_topology("shop_of_tests:newer")
    async with topology.start(node="n1", data="data") as node:
        assert await check_connected("newer", node.address, monkeypatch) == 0
        found = await recorded_schemas._in_cluster(ClusterConnection((node.address,)), topology)

    recorded = schema_command.schemas_of(load_topology("shop_of_tests:recorded"))
    assert found.schemas == {group: [Revision(1, schema)] for group, schema in recorded.items()}
    assert (found.refusals, found.silent_nodes) == ({}, ())


async def test_another_cluster_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("recorded", bootstrap=True) as node:
        with pytest.raises(ValueError, match="node 'n1' is of cluster 'shop', not of 'other'"):
            await check_connected("elsewhere", node.address, monkeypatch)


def test_the_data_directory_of_another_cluster_or_of_a_node_that_the_topology_lacks_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asyncio.run(run_once())

    assert check_data("elsewhere") == 1
    assert (
        "'data' belongs to node 'n1' of cluster 'shop', not to node 'n1' of cluster 'other'" in capsys.readouterr().err
    )
    assert check_data("without_n1") == 1
    assert "data is the data of node 'n1', which the topology does not have: it has n2" in capsys.readouterr().err


async def test_the_data_directory_of_a_running_node_can_be_read_and_is_not_changed() -> None:
    async with running("recorded", bootstrap=True):
        await asyncio.sleep(0)
        before = files()
        found = await recorded_schemas._in_data(Path("data"), load_topology("shop_of_tests:recorded"))
        assert {name: files()[name] for name in ("meta", "lock")} == {name: before[name] for name in ("meta", "lock")}

    assert sorted(found.schemas) == ["orders", "stock"]


def test_a_copy_is_begun_again_if_a_segment_was_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(run_once())
    copyfile = shutil.copyfile
    gone: list[Path] = []

    def removing(source: Path, target: str) -> None:
        if source.name.startswith("segment") and len(gone) < times:
            gone.append(source)
            raise FileNotFoundError(source)
        copyfile(source, target)

    monkeypatch.setattr(shutil, "copyfile", removing)
    times = 4
    assert check_data("recorded") == 0
    times = 1000
    assert check_data("recorded") == 1
    assert "data changes too fast to be copied" in capsys.readouterr().err


def test_damage_is_told_of_the_directory_that_was_given_not_of_its_copy(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(run_once())
    (segment,) = Path("data").glob("segment-*")
    segment.write_bytes(b"damaged" + segment.read_bytes()[7:])

    assert check_data("recorded") == 1
    assert f"'data/{segment.name}' is damaged at byte 0" in capsys.readouterr().err


def test_a_file_that_may_not_be_read_is_named_with_what_for_and_the_user(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(run_once())

    def denied(source: Path, target: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(source))

    monkeypatch.setattr(shutil, "copyfile", denied)
    assert check_data("recorded") == 1
    told = capsys.readouterr().err
    assert "'data/high-water' cannot be opened for reading by this process, which runs as uid " in told
    assert "(EACCES: Permission denied)" in told
