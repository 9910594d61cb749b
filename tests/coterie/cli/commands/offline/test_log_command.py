"""`coterie log inspect`: a data directory is read as it is, whatever its state, and nothing is changed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.node import Node
from coterie.cli import main

SEGMENT = "segment-0000000001.log"


def topology() -> Topology:
    made = Topology("shop", nodes=["n1"])
    made.raft("store", machine=KeyValue)
    made.synod("config")
    return made


@asynccontextmanager
async def running(path: Path, bootstrap: Any) -> AsyncIterator[Node]:
    async with topology().start(node="n1", listen="127.0.0.1:0", data=str(path), bootstrap=bootstrap) as node:
        yield node


async def fill(path: Path) -> None:
    async with running(path, "new") as node:
        for number in range(5):
            await node.key_value("store").put(b"k%d" % number, b"v" * 100)
        writer = await node.store.snapshots.create("store")
        await writer.append(b"12345")
        await writer.finish("0000-a")
        await node.synod("config").propose(b"chosen")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store that was closed in order."""
    path = tmp_path_factory.mktemp("data") / "n1"
    asyncio.run(fill(path))
    return {name: (path / name).read_bytes() for name in os.listdir(path)}


@pytest.fixture
def data(filled: dict[str, bytes], tmp_path: Path) -> Path:
    path = tmp_path / "n1"
    path.mkdir(mode=0o700)
    for name, content in filled.items():
        (path / name).write_bytes(content)
    return path


def inspected(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    code = main(["log", "inspect", str(path), "-o", "json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_identity_segments_register_and_the_last_entries_are_shown(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["log", "inspect", str(data), "--group", "store"]) == 0
    text = capsys.readouterr().out
    for part in (
        "of node 'n1' in cluster 'shop'",
        "opened 1 times (generation 1/",
        "group 'store': entries 1 … ",
        "terms: 1 from 1",
        "register: term 1, vote ",
        "members from 0 on: n1 (voter, store not known)",
        "schema from 3 on: revision 1, version 1",
        "snapshot 0000-a: 5 bytes",
        "command",
    ):
        assert part in text
    assert "kv.Put" in text
    assert "config" not in text


def test_as_json_it_has_the_same(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, envelope = inspected(capsys, data, "--entries", "3")
    found = envelope["data"]
    assert (code, envelope["verdict"], envelope["cluster"], envelope["errors"]) == (0, "passed", "shop", [])
    assert (found["node"], found["damage"], found["lost"], found["torn_bytes"]) == ("n1", None, None, 0)
    assert [segment["number"] for segment in found["segments"]] == [1]
    assert found["segments"][0]["bytes"] == (data / SEGMENT).stat().st_size
    assert found["segments"][0]["batches"] > 5
    store = found["groups"]["store"]
    assert [entry["index"] for entry in store["entries"]] == list(range(store["last"] - 2, store["last"] + 1))
    assert store["snapshots"] == {"0000-a": 5}
    assert store["register"]["base"] == {"index": 0, "term": 0}
    assert store["register"]["schemas"] == [{"from": 3, "revision": 1, "version": 1}]
    assert found["groups"]["config"]["register"] is None


def test_a_synod_is_shown_and_no_entries_if_none_are_wanted(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "inspect", str(data), "--entries", "0"]) == 0
    text = capsys.readouterr().out
    assert "synod: promised " in text
    assert "accepted 6 bytes" in text
    assert "stamp_ms" not in text


def test_nothing_is_changed_and_nothing_is_locked(
    data: Path, filled: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in filled:
        (data / name).chmod(0o400)
    data.chmod(0o500)
    try:
        assert main(["log", "inspect", str(data)]) == 0
    finally:
        data.chmod(0o700)
    assert {name: (data / name).read_bytes() for name in os.listdir(data)} == filled


async def test_a_directory_is_read_while_its_node_runs_and_writes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running(data, None) as node:
        for number in range(20):
            await node.key_value("store").put(b"more", b"%d" % number)
            code = await asyncio.to_thread(main, ["log", "inspect", str(data)])
            assert code == 0
    capsys.readouterr()


def test_every_damaged_byte_that_was_durable_is_told_with_file_and_offset(
    data: Path, filled: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    content = filled[SEGMENT]
    for at in range(0, len(content) - 200, max(1, len(content) // 50)):
        (data / SEGMENT).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        code, envelope = inspected(capsys, data)
        assert (code, envelope["verdict"]) == (1, "failed")
        damage = envelope["data"]["damage"]
        assert damage["path"] == str(data / SEGMENT)
        assert damage["offset"] <= at
        assert envelope["data"]["groups"] == {}
        assert envelope["data"]["segments"] == [{"number": 1, "bytes": len(content), "batches": None}]
        assert f"is damaged at byte {damage['offset']}" in envelope["errors"][0]["message"]
    assert main(["log", "inspect", str(data), "--group", "store"]) == 1
    assert "is damaged at byte" in capsys.readouterr().out


def test_bytes_after_the_last_whole_batch_are_counted_and_are_no_damage(
    data: Path, filled: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (data / SEGMENT).write_bytes(filled[SEGMENT] + b"half a batch")
    assert main(["log", "inspect", str(data)]) == 0
    assert "12 bytes follow the last whole batch" in capsys.readouterr().out


def test_a_store_that_went_back_in_time_is_told(
    data: Path, filled: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (data / SEGMENT).write_bytes(filled[SEGMENT][: len(filled[SEGMENT]) // 2])
    code, envelope = inspected(capsys, data)
    assert (code, envelope["verdict"], envelope["errors"][0]["code"]) == (5, "degraded", "degraded")
    assert "durable bytes" in envelope["data"]["lost"]


def test_what_is_not_there_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "inspect", str(data), "--group", "other"]) == 3
    assert "there is no group 'other'" in (told := capsys.readouterr().err)
    assert "'config'" in told
    assert main(["log", "inspect", str(tmp_path / "none")]) == 1
    assert "is not formatted" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    (data / "meta").unlink()
    assert main(["log", "inspect", str(data)]) == 1
    assert "without their file 'meta'" in capsys.readouterr().err


def test_a_wrong_number_of_entries_is_wrong_usage(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in ("-1", "x"):
        with pytest.raises(SystemExit) as ended:
            main(["log", "inspect", str(data), "--entries", number])
        assert ended.value.code == 2
    assert "--entries" in capsys.readouterr().err
