"""`coterie kv`: what clients have stored does not control the terminal, and starts no line of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie import CommandRefused, CommandTimeout, KeyValue, Query, StateMachine, Topology, message
from coterie.actors.groups.group_client import StaleRead
from coterie.actors.groups.group_messages import GroupMember, GroupStatus
from coterie.actors.groups.key_value import Get
from coterie.cli import main, make_parser
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands import kv_command
from coterie.cli.node_queries import NotAnOperator
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.unavailable_group import GroupUnavailable, naming_no_leader
from coterie.errors import Outcome

HOSTILE = b"\x1b[2J\tv\nnext\tline \xff"


class FakeStore:
    """A store in which a client has put a hostile pair."""

    @property
    def group(self) -> FakeStore:
        return self

    async def read_stale(self, query: Get) -> StaleRead[bytes]:
        return StaleRead(query.key, "n2", 41, 3, 0.25)

    async def get(self, key: bytes, *, consistency: str) -> bytes:
        return key if consistency == "linearizable" else consistency.encode()

    async def scan(self, prefix: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        yield prefix + HOSTILE, HOSTILE


def run(action: Any, form: str = "table", **arguments: object) -> None:
    given = {"consistency": "linearizable", **arguments}
    asyncio.run(action(FakeStore(), Namespace(out=CommandOutput("kv", form), **given)))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_scan_prints_one_printable_line_for_each_pair(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)

    run(kv_command._scan, prefix="p")

    shown = r"\x1b[2J\tv\nnext\tline \xff"
    assert capsys.readouterr().out == f"p{shown}\t{shown}\n"


def test_get_prints_the_value_as_it_is_into_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._get, key="a\x1b[2J\nb")

    assert capsys.readouterr().out == "a\x1b[2J\nb\n"


def test_get_reads_as_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._get, key="a", consistency="anywhere")
    args = make_parser().parse_args(["kv", "get", "a", "--connect", "h:1"])

    assert capsys.readouterr().out == "anywhere\n"
    assert args.consistency == "linearizable"


def test_a_stale_value_is_printed_with_its_age_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._get, key="a", consistency="stale")

    printed = capsys.readouterr()
    assert printed.out == "a\n"
    assert printed.err == (
        "coterie: as n2 has it: it heard from a leader 0.25 s ago, and has applied entries up to 41, and knows of 3 "
        "more that it has not applied\n"
    )


def test_as_json_a_stale_value_has_its_age(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._get, form="json", key="a", consistency="stale")

    printed = capsys.readouterr()
    told = {"key": "a", "value": "a", "node": "n2", "index": 41, "behind": 3, "heard_s": 0.25}
    assert json.loads(printed.out)["data"] == told
    assert printed.err == ""


class LeaderlessGroup:
    """A client of one group, whose nodes say which role they have."""

    def __init__(self, *roles: str) -> None:
        self._roles = roles

    def group(self, _: str) -> LeaderlessGroup:
        return self

    async def status(self, *, timeout_s: float) -> dict[str, Any]:
        members = tuple(GroupMember(f"n{number}", "s", "voter") for number in (1, 2, 3))
        return {
            f"n{number}": GroupStatus("store", f"n{number}", role, 1, None, 1, 1, 1, "s", 0, members)
            for number, role in enumerate(self._roles, 1)
        }


@pytest.mark.parametrize(
    ("roles", "is_read", "told"),
    [
        (("follower",), False, r"no node leads group 'store': 1 of its 3 nodes answer \(n1\), .*it may have been exec"),
        (("follower",), True, r"a leader needs a quorum; nothing was changed: see `coterie status`"),
        (("follower", "leader"), False, "^late$"),
        ((), False, "^late$"),
    ],
)
async def test_a_command_that_fails_for_want_of_a_leader_says_so(
    roles: tuple[str, ...], is_read: bool, told: str
) -> None:
    client: Any = LeaderlessGroup(*roles)

    with pytest.raises((GroupUnavailable, CommandTimeout), match=told):
        async with naming_no_leader(client, "store", is_read=is_read):
            raise CommandTimeout("late", Outcome.UNKNOWN)


def test_as_json_a_group_without_a_leader_is_unavailable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Namespace) -> int:
        raise GroupUnavailable("no node leads group 'store'")

    monkeypatch.setattr(kv_command, "_run", fail)

    assert main(["kv", "get", "k", "--connect", "127.0.0.1:1", "-o", "json"]) == 1
    assert [error["code"] for error in json.loads(capsys.readouterr().out)["errors"]] == ["unavailable"]


def test_get_prints_the_lines_of_a_value_on_a_terminal_and_no_controls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    run(kv_command._get, key="a\x1b[2J\nb")

    assert capsys.readouterr().out == "a\\x1b[2J\nb\n"


def test_as_json_keys_and_values_are_text_or_base64(capsys: pytest.CaptureFixture[str]) -> None:
    run(kv_command._scan, form="json", prefix="p")
    run(kv_command._get, form="json", key="größe")

    scanned, got = map(json.loads, capsys.readouterr().out.splitlines())
    pair = {name: base64.b64decode(each["base64"]) for name, each in scanned["data"]["pairs"][0].items()}
    assert pair == {"key": b"p" + HOSTILE, "value": HOSTILE}
    assert got["data"] == {"key": "größe", "value": "größe"}


STORE = Topology("kv-cli", nodes=["n1"])
STORE.raft("store", machine=KeyValue)
STORE.synod("config")


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("stoer", "there is no group 'stoer': the (groups are|nodes run) '?store"),
        ("config", "'config' is a synod, and no group: the groups are store"),
    ],
)
async def test_a_store_that_does_not_exist_is_refused_at_once_with_those_that_do(store: str, told: str) -> None:
    async with STORE.start(node="n1") as node:
        given = make_parser().parse_args(["kv", "get", "k", "--store", store, "--connect", node.address])
        given.out = CommandOutput("kv get")
        with pytest.raises(NameNotFound, match=told):
            await kv_command._run(given)


async def test_a_client_that_is_told_nothing_of_groups_works_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise NotAnOperator("billing")

    monkeypatch.setattr(kv_command, "check_group", refuse)
    async with STORE.start(node="n1") as node:
        for store, told in (("store", "'store' has no key 'k'"), ("stoer", "there is no group 'stoer'")):
            given = make_parser().parse_args(["kv", "get", "k", "--store", store, "--connect", node.address])
            given.out = CommandOutput("kv get")
            with pytest.raises(NameNotFound, match=told):
                await kv_command._run(given)


@message(name="kv_cli.Total")
class Total(Query[int]):
    pass


class Totals(StateMachine[Total]):
    def apply(self, command: Total, /) -> int:
        return 0


async def test_a_group_that_is_no_key_value_store_is_said_to_be_none() -> None:
    topology = Topology("kv-cli", nodes=["n1"])
    topology.raft("totals", machine=Totals)
    async with topology.start(node="n1") as node:
        await node.group("totals").execute(Total())  # its schema is recorded
        given = make_parser().parse_args(["kv", "get", "k", "--store", "totals", "--connect", node.address])
        given.out = CommandOutput("kv get")
        with pytest.raises(NameNotFound, match="'totals' is a group, and no key-value store"):
            await kv_command._run(given)


async def test_a_command_that_a_store_refuses_is_no_unknown_name() -> None:
    async with STORE.start(node="n1") as node:
        given = make_parser().parse_args(["kv", "incr", "k", "--connect", node.address])
        given.out = CommandOutput("kv incr")
        await node.key_value("store").put(b"k", b"no number")
        with pytest.raises(CommandRefused, match=r"^increment of 'k': its value 'no number' is not a number"):
            await kv_command._run(given)
