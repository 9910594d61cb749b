"""`coterie backup` and `coterie restore`: from a running group to a file, and from the file to a group that goes on."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coterie import Ask, StateMachine, Topology, message
from coterie.actors.client import Client
from coterie.actors.groups.backups.backup_errors import BackupFailed
from coterie.actors.groups.backups.backup_transfer import BackupProgress
from coterie.cli import main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands.recovering import backup_command
from coterie.cli.commands.recovering.backup_command import ProgressLines
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import TopologyError
from coterie.protocols.checkpoints import checkpoint_rounds


@message(name="backed.Add")
class Add(Ask[int]):
    amount: int


@message(name="backed.Renamed")
class Renamed(Ask[int]):
    amount: int


class Totals(StateMachine[Add]):
    total = 0

    def apply(self, command: Add, /) -> int:
        self.total += command.amount
        return self.total


class Others(StateMachine[Renamed]):
    total = 0

    def apply(self, command: Renamed, /) -> int:
        return self.total


def topology(machine: type[StateMachine[Any]] = Totals, cluster: str = "backed") -> Topology:
    made = Topology(cluster, nodes=["n1"])
    made.raft("totals", machine=machine)
    return made


@pytest.fixture(autouse=True)
def _soon_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_rounds, "INTERVAL_S", 0.05)


async def take_backup(
    data: Path, path: Path, *, group: str = "totals", node_name: str | None = None, force: bool = False
) -> int:
    bootstrap: Any = None if os.path.exists(data) else "new"  # noqa: ASYNC240 (a test)
    async with topology().start(node="n1", data=str(data), bootstrap=bootstrap) as node:
        async with Client([node.address]) as client:
            for _ in range(5):
                await client.group("totals").execute(Add(2))
        out = CommandOutput("backup take")
        connection = ClusterConnection((node.address,))
        return await backup_command._take(connection, group, str(path), node_name, out, force=force)


@pytest.fixture
def backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "totals.backup"
    assert asyncio.run(take_backup(tmp_path / "n1", path)) == 0
    capsys.readouterr()
    return path


def test_taking_says_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "totals.backup"

    assert asyncio.run(take_backup(tmp_path / "n1", path)) == 0

    first, digest, rest = capsys.readouterr().out.splitlines()
    assert first.startswith("group 'totals': entries up to ")
    assert first.endswith(f", from node n1: {path.stat().st_size} bytes in '{path}'")
    assert digest == f"  digest {path.read_bytes()[-32:].hex()}"
    assert rest == "  it is of this group alone: take a backup of each"
    assert path.stat().st_mode & 0o077 == 0


def test_a_file_is_replaced_only_with_force(tmp_path: Path, backup: Path) -> None:
    before = backup.read_bytes()
    with pytest.raises(BackupFailed, match="exists"):
        asyncio.run(take_backup(tmp_path / "n1", backup))
    assert backup.read_bytes() == before

    assert asyncio.run(take_backup(tmp_path / "n1", backup, force=True)) == 0
    assert backup.read_bytes() != before


def test_a_group_or_node_that_there_is_not_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(NameNotFound, match="there is no group 'total': the nodes run totals"):
        asyncio.run(take_backup(tmp_path / "n1", tmp_path / "file", group="total"))
    with pytest.raises(NameNotFound, match="there is no node 'n9': the nodes are n1"):
        asyncio.run(take_backup(tmp_path / "n1", tmp_path / "file", node_name="n9"))
    assert not (tmp_path / "file").exists()


def test_verifying_says_what_a_backup_is_of(backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "verify", str(backup)]) == 0
    text = capsys.readouterr().out
    for part in (
        "is a whole backup of group 'totals' in cluster 'backed'",
        "entries up to ",
        "taken from node n1 at 20",
        "members: n1 (voter, store ",
        ": revision 1, version 1",
        f"{backup.stat().st_size} bytes: sessions ",
    ):
        assert part in text

    assert main(["backup", "verify", str(backup), "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cluster"] == "backed"
    assert found["data"]["version"] == 1
    assert found["data"]["digest"] == backup.read_bytes()[-32:].hex()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda data: data[:100], "is damaged at byte "),
        (lambda data: data[:-5], "5 bytes of its digest are missing"),
        (lambda data: data[:-80] + b"x" + data[-79:], "is damaged at byte "),
        (lambda data: data[:14] + b"\x09" + data[15:], "has backup format 9, this release reads 1"),
        (lambda data: b"a log of something", "this is no backup"),
    ],
)
def test_what_is_no_whole_backup_is_exit_code_1_and_says_where(
    backup: Path, tmp_path: Path, damage: Callable[[bytes], bytes], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    backup.write_bytes(damage(backup.read_bytes()))

    assert main(["backup", "verify", str(backup)]) == 1
    assert text in capsys.readouterr().err
    assert main(["restore", str(backup), "--data", str(tmp_path / "new"), "--node", "n1"]) == 1
    assert text in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_restored_group_goes_on_where_the_backup_was_taken(
    tmp_path: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["restore", str(backup), "--data", str(tmp_path / "new"), "--node", "n1"]) == 0
    said = capsys.readouterr().out
    assert "group 'totals' begins anew in" in said
    assert "coterie raft add totals NODE" in said

    async def go_on() -> list[int]:
        async with topology().start(node="n1", data=str(tmp_path / "new")) as node:
            return [await node.group("totals").execute(Add(1)) for _ in range(2)]

    assert asyncio.run(go_on()) == [11, 12]
    assert asyncio.run(go_on()) == [13, 14]


def test_a_group_that_is_there_is_not_touched(tmp_path: Path, backup: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["restore", str(backup), "--data", str(tmp_path / "n1"), "--node", "n1"]) == 1
    assert "holds group 'totals' already" in capsys.readouterr().err

    assert main(["restore", str(backup), "--data", str(tmp_path / "n1"), "--node", "n2"]) == 1
    assert "belongs to node 'n1' of cluster 'backed', not to node 'n2'" in capsys.readouterr().err


def test_code_that_contradicts_the_backup_does_not_start(tmp_path: Path, backup: Path) -> None:
    assert main(["restore", str(backup), "--data", str(tmp_path / "new"), "--node", "n1"]) == 0

    async def start() -> None:
        async with topology(Others).start(node="n1", data=str(tmp_path / "new")):
            raise AssertionError("it started")

    with pytest.raises(TopologyError, match=r"command 'backed\.Add'"):
        asyncio.run(start())


def test_a_restore_can_be_rehearsed_in_another_cluster(
    tmp_path: Path, backup: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "new")
    assert main(["restore", str(backup), "--data", data, "--node", "n1", "--cluster", "rehearsal"]) == 0
    assert "without --bootstrap, and with --cluster rehearsal (coterie run)" in capsys.readouterr().out

    async def go_on() -> int:
        async with topology(cluster="rehearsal").start(node="n1", data=data) as node:
            return await node.group("totals").execute(Add(1))

    assert asyncio.run(go_on()) == 11


def test_what_takes_long_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    progress = ProgressLines(CommandOutput("backup take"), lambda: now[0])
    for at_s, done in ((1.9, 1), (2.0, 2_000_000), (3.9, 3), (4.0, 4_500_000)):
        now[0] = at_s
        progress.note(BackupProgress("fetching it from n1", done, 9_000_000))
    now[0] = 6.0
    progress.note(BackupProgress("n1 waits until a quorum confirms it"))

    assert capsys.readouterr().out.splitlines() == [
        "fetching it from n1: 2.0 of 9.0 MB",
        "fetching it from n1: 4.5 of 9.0 MB",
        "n1 waits until a quorum confirms it",
    ]
