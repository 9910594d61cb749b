"""The coordinator against workers that die at the worst moments: every file counts once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from coterie.actors.client import Client
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.demo import coordinator as coordinator_module
from coterie.demo.coordinator import Coordinator, FileStuck
from coterie.demo.demo_topology import POOL, STORE, Counted, CountFile, NotCounted, Worker
from coterie.demo.store_keys import Found, read_found, scan_prefixes
from coterie.runtime.actor import Actor


class Dying(Actor[CountFile]):
    """A worker whose first attempt at each file fails: before, or right after its counts are committed."""

    def __init__(self, after_commit: bool, seen: set[bytes], node: Node) -> None:
        self._worker = Worker(node)
        self._after_commit = after_commit
        self._seen = seen

    def on_start(self) -> None:
        self._worker._context = self.context

    async def receive(self, msg: CountFile, /) -> Counted | NotCounted:
        is_first = msg.file not in self._seen
        self._seen.add(msg.file)
        if is_first and not self._after_commit:
            raise RuntimeError("dies before the commit")
        answer = await self._worker.receive(msg)
        if is_first:
            raise RuntimeError("dies between the commit and the reply")
        return answer


class Refusing(Actor[CountFile]):
    """A worker that never commits."""

    def __init__(self, node: Node) -> None:
        pass

    def receive(self, msg: CountFile, /) -> Counted | NotCounted:
        return NotCounted("not today")


def sources(folder: Path) -> list[str]:
    (folder / "a.py").write_text("x = y")
    (folder / "b.py").write_text("x = x")
    (folder / "bad.py").write_text("(")
    return ["a.py", "b.py", "bad.py", "gone.py"]


def one_node(worker: Callable[[Node], Actor[CountFile]]) -> Topology:
    topology = Topology("coordinated", nodes=["n1"])
    topology.raft(STORE, machine=KeyValue)
    topology.pool(POOL, worker, per_node=2)
    return topology


@pytest.mark.parametrize("after_commit", [False, True])
async def test_file_whose_worker_dies_counts_once(tmp_path: Path, after_commit: bool) -> None:
    files = sources(tmp_path)
    acknowledged: list[str] = []
    topology = one_node(partial(Dying, after_commit, set[bytes]()))
    async with topology.start(node="n1") as node, Client([node.address]) as client:
        session = await client.group(STORE).open_session()
        coordinator = Coordinator(
            client, session, run="r", root=str(tmp_path), files=files, acknowledged=acknowledged.append
        )

        await coordinator.work()

        items = [item for prefix in scan_prefixes("r") async for item in client.key_value(STORE).scan(prefix)]

    markers = dict.fromkeys(files, 1)
    assert read_found("r", items) == Found({"x": 3, "y": 1}, markers, frozenset({"bad.py", "gone.py"}))
    assert sorted(acknowledged) == files
    assert coordinator.resent == len(files)
    assert coordinator.in_flight == {}
    assert coordinator.skipped["gone.py"] == "unreadable: No such file or directory"


async def test_file_that_is_never_committed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_module, "PATIENCE_S", 0.0)
    (tmp_path / "a.py").write_text("x")
    async with one_node(Refusing).start(node="n1") as node, Client([node.address]) as client:
        session = await client.group(STORE).open_session()
        coordinator = Coordinator(
            client, session, run="r", root=str(tmp_path), files=["a.py"], acknowledged=lambda _: None
        )

        with pytest.raises(FileStuck, match=r"a\.py: not acknowledged in 0 s, last: not today"):
            await coordinator.work()
