"""The coordinator against workers that die at the worst moments: every file counts once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from coterie.actors.client import Client
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.demo import coordinator as coordinator_module
from coterie.demo.coordinator import Coordinator, FileNotAcknowledged, run_together
from coterie.demo.demo_topology import POOL, STORE, Counted, CountFile, NotCounted, Worker
from coterie.demo.store_keys import StoredCounts, read_counts, scan_prefixes
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
    assert read_counts("r", items) == StoredCounts({"x": 3, "y": 1}, markers, frozenset({"bad.py", "gone.py"}))
    assert sorted(acknowledged) == files
    assert coordinator.resent == len(files)
    assert coordinator.in_flight == {}
    assert coordinator.skipped["gone.py"] == "unreadable: No such file or directory"


async def test_file_that_is_never_committed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coordinator_module, "FILE_TIMEOUT_S", 0.0)
    (tmp_path / "a.py").write_text("x")
    async with one_node(Refusing).start(node="n1") as node, Client([node.address]) as client:
        session = await client.group(STORE).open_session()
        coordinator = Coordinator(
            client, session, run="r", root=str(tmp_path), files=["a.py"], acknowledged=lambda _: None
        )

        with pytest.raises(FileNotAcknowledged, match=r"a\.py: not acknowledged in 0 s, last: not today"):
            await coordinator.work()


async def test_all_are_run_to_their_end() -> None:
    done: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await run_together(one(1), one(2))

    assert done == [1, 2]


async def test_first_error_is_raised_as_itself_and_ends_the_others() -> None:
    cancelled: list[bool] = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(ValueError, match="first"):
        await run_together(endless(), failing(), endless())

    assert cancelled == [True, True]


async def test_cancellation_ends_all() -> None:
    ended: list[bool] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(run_together(endless(), endless()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == [True, True]
