"""`coterie schema`: what is deployed is kept in a file, and code is checked against it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.actors.groups.group_messages import GroupStatus
from coterie.cli import main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands.evolving import recorded_schemas, schema_command
from coterie.cli.commands.run_command import load_topology

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

def shop(machine, *more):
    topology = Topology("shop", nodes=["n1"])
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
                "a node whose store holds it would not start\n"
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
    ("arguments", "error"),
    [
        (["dump", "shop_of_tests:recorded", "--group", "carts"], "no Raft group 'carts': the groups are orders, stock"),
        (["dump", "shop_of_tests:nothing", "--group", "carts"], "no Raft group 'carts': the groups are none"),
        (["dump", "shop_of_tests:bad"], "node 'n1' is named twice"),
        (["check", "shop_of_tests:recorded", "--against", "none.json"], "none.json"),
        (["check", "shop_of_tests:recorded"], "give either --against or --connect"),
        (["check", "shop_of_tests:recorded", "--against", "."], "'.' is not formatted"),
        (["check", "shop_of_tests:recorded", "--against", "shop_of_tests.py"], "shop_of_tests.py: Expecting value"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    arguments: list[str], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", *arguments]) == 1
    assert error in capsys.readouterr().err


async def run_once(topology: str, *, bootstrap: bool = False) -> None:
    """Run the node of a topology until its groups have recorded their schemas."""
    async with load_topology(f"shop_of_tests:{topology}").start(
        node="n1", data="data", bootstrap="new" if bootstrap else None
    ) as node:
        for group in ("orders", "stock"):
            while True:
                (status,) = (await node.group(group).status()).values()
                if isinstance(status, GroupStatus) and status.revision:
                    break
                await asyncio.sleep(0.01)


def test_code_is_checked_against_a_data_directory(capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(run_once("recorded", bootstrap=True))
    before = {path.name: path.read_bytes() for path in Path("data").iterdir()}

    arguments = ["schema", "check", "shop_of_tests:newer", "--against", "data"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("group 'orders': the code is newer;")
    assert main([*arguments[:2], "shop_of_tests:wrong", *arguments[3:]]) == 1
    assert "field 'sku': str became int" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in Path("data").iterdir()} == before


async def test_the_schemas_of_a_running_cluster_are_those_of_its_log() -> None:
    await run_once("recorded", bootstrap=True)
    topology = load_topology("shop_of_tests:newer")
    async with topology.start(node="n1", data="data") as node:
        found = await recorded_schemas._in_cluster(ClusterConnection((node.address,)), ["orders", "carts"])

    assert found == {"orders": [schema_command.schemas_of(load_topology("shop_of_tests:recorded"))["orders"]]}
