"""Before the log behind a snapshot is dropped, the snapshot is read back, and tried on a new machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from coterie import StateMachine
from coterie.actors.groups.compaction import snapshot_check
from coterie.actors.groups.compaction.snapshot_check import SnapshotCheck, Trial, _Saved
from coterie.actors.groups.replicas.replica_snapshot import Section
from tests.actors.groups.compaction.kept_totals import (
    Add,
    Total,
    Totals,
    add,
    machine_of,
    started,
    status_of,
    topology_of,
    until_compacted,
)

pytestmark = pytest.mark.virtual


class Saved(StateMachine[Add | Total]):
    """Has a `snapshot` and a `restore` of its own. `restored`: how often any was restored."""

    transient = ("restored", "tries")
    restored = 0

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add):
            self.total += command.amount
            self.count += 1
        return self.total

    def snapshot(self) -> Iterator[bytes]:
        return iter([json.dumps([self.total, self.count]).encode()])

    def restore(self, piece: bytes) -> None:
        Saved.restored += 1
        self.total, self.count = json.loads(piece)


class Raises(Saved):
    def restore(self, piece: bytes) -> None:
        Saved.restored += 1
        raise KeyError("total")


class Loses(Saved):
    def restore(self, piece: bytes) -> None:
        Saved.restored += 1
        self.total, _ = json.loads(piece)


class RaisesAtFirst(Saved):
    tries = 0

    def restore(self, piece: bytes) -> None:
        RaisesAtFirst.tries += 1
        if RaisesAtFirst.tries == 1:
            raise KeyError("total")
        super().restore(piece)


class Numbers(StateMachine[Add | Total]):
    """Keeps a set, and saves it in whatever order it has."""

    def __init__(self) -> None:
        self.numbers: set[str] = set()

    def apply(self, command: Add | Total, /) -> int:
        self.numbers.add(f"number {len(self.numbers)}")
        return len(self.numbers)

    def snapshot(self) -> Iterator[bytes]:
        return iter([json.dumps(list(self.numbers)).encode()])

    def restore(self, piece: bytes) -> None:
        self.numbers.update(json.loads(piece)[::-1])


def restored_since(before: int) -> int:
    return Saved.restored - before


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (Raises, "a new machine does not take it: Raises: its restore failed: KeyError: 'total'"),
        (Loses, "Loses.count is "),
    ],
)
async def test_nothing_is_dropped_for_a_snapshot_that_the_machine_does_not_restore(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, machine: Any, reason: str
) -> None:
    before = Saved.restored
    cluster = await started(make_cluster, topology_of(machine))

    await add(cluster, 100)
    await asyncio.sleep(30)

    assert 2 * 3 <= restored_since(before) <= 5 * 3  # at each doubling

    for name in cluster:
        status, store = await status_of(cluster, name), cluster[name].store
        assert (status.base_index, status.snapshot_index) == (0, 0)
        assert (await store.state("totals")).first == 1
        assert f"its snapshot cannot be used, so the log is kept: {reason}" in str(status.trouble)
        assert store.snapshots.names("totals") == ()
        told = [record for record in caplog.records if f"node={name}" in record.getMessage()]
        told = [record for record in told if "group.snapshot_unusable" in record.getMessage()]
        assert {record.levelno for record in told} == {logging.ERROR}
    assert machine_of(cluster, "n1").total == 100  # it was tried on another one


async def test_a_machine_that_can_be_restored_the_next_time_is_well_again(make_cluster: Any) -> None:
    RaisesAtFirst.tries = 0
    cluster = await started(make_cluster, topology_of(RaisesAtFirst, nodes=1))

    await add(cluster, 60)
    await until_compacted(cluster)

    assert RaisesAtFirst.tries >= 2
    assert (await status_of(cluster, "n1")).trouble is None


async def test_nothing_is_dropped_while_a_snapshot_is_being_checked(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1))
    await add(cluster, 1)
    cell: Any = cluster["n1"].system.registry.cell_at("totals")
    checked = asyncio.Event()

    async def run(*_: Any) -> None:
        await checked.wait()

    cell.actor._snapshots._taking._check.run = run
    await add(cluster, 30)
    await asyncio.sleep(30)
    assert (await status_of(cluster, "n1")).base_index == 0

    checked.set()
    await until_compacted(cluster)


@pytest.mark.parametrize("tried_bytes_max", [0, 1_000_000])
async def test_a_snapshot_that_does_not_read_back_is_not_used_and_another_one_is_taken(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, tried_bytes_max: int
) -> None:
    monkeypatch.setattr(snapshot_check, "TRIED_BYTES_MAX", tried_bytes_max)
    cluster = await started(make_cluster, topology_of(nodes=1))
    snapshots: Any = cluster["n1"].store.snapshots
    usual, reads = snapshots.read, []

    async def read(group: str, name: str, offset: int, max_bytes: int, digest: Any = None) -> bytes | None:
        data: bytes | None = await usual(group, name, offset, max_bytes)
        reads.append(name)
        if data and len(reads) == 1:
            data = data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]
        if digest is not None:
            digest.update(data)
        return data

    snapshots.read = read
    await add(cluster, 12)
    await asyncio.sleep(1)
    status = await status_of(cluster, "n1")
    assert "does not read back" in str(status.trouble)
    assert status.snapshot_index == 0
    assert snapshots.names("totals") == ()

    await asyncio.sleep(20)
    await add(cluster, 1)
    await until_compacted(cluster)

    status = await status_of(cluster, "n1")
    assert (status.trouble, len(set(reads))) == (None, 2)


class Many(StateMachine[Add | Total]):
    """Is restored from many pieces, each of which takes a millisecond."""

    clock: ClassVar[Any] = None

    def __init__(self) -> None:
        self.count = 0

    def apply(self, command: Add | Total, /) -> int:
        self.count += 1
        return self.count

    def restore(self, piece: bytes) -> None:
        self.count = int(piece)
        self.clock.now += 0.001
        self.clock.at_once += 1


async def test_the_loop_is_not_held_while_a_machine_is_restored_from_many_pieces() -> None:
    class Clock:
        now = 0.0
        at_once = 0

    class Guard:
        at_once: ClassVar[list[int]] = []

        @contextlib.contextmanager
        def running(self, method: str) -> Iterator[None]:
            assert method == "restore"
            clock.at_once = 0
            yield
            self.at_once.append(clock.at_once)

    clock = Clock()
    Many.clock = clock
    check = SnapshotCheck("totals", None, lambda: clock.now)  # type: ignore[arg-type]
    turns = asyncio.ensure_future(turns_until(Guard.at_once, 500))

    await check._restore(
        Trial(Many(), None, Guard()),  # type: ignore[arg-type]
        iter([(Section.MACHINE, b"1")] * 500),
        _Saved(),
    )

    assert (sum(Guard.at_once), max(Guard.at_once)) == (500, 3)
    assert await turns > 100


async def turns_until(at_once: list[int], count: int) -> int:
    turns = 0
    while sum(at_once) < count:
        turns += 1
        await asyncio.sleep(0)
    return turns


async def test_a_set_may_be_saved_in_another_order_once_it_was_restored(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(Numbers, nodes=1))

    await add(cluster, 40)
    await until_compacted(cluster, above=20)

    assert (await status_of(cluster, "n1")).trouble is None


async def test_every_snapshot_of_a_users_machine_is_tried(make_cluster: Any) -> None:
    before = Saved.restored
    cluster = await started(make_cluster, topology_of(Saved, nodes=1))
    taken: set[int] = set()
    for _ in range(60):
        await add(cluster, 1)
        await asyncio.sleep(0.1)
        taken.add((await status_of(cluster, "n1")).snapshot_index)
    await asyncio.sleep(5)
    taken.add((await status_of(cluster, "n1")).snapshot_index)

    assert restored_since(before) == len(taken - {0}) >= 4


async def test_a_machine_of_coterie_is_tried_at_first_and_then_once_its_snapshots_are_twice_as_large(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Saved, "__module__", "coterie.actors.groups.saved")
    before = Saved.restored
    cluster = await started(make_cluster, topology_of(Saved, nodes=1))
    await add(cluster, 60)
    await until_compacted(cluster, above=40)
    assert restored_since(before) == 1

    taking: Any = cluster["n1"].system.registry.cell_at("totals")
    (tried,) = taking.actor._snapshots._taking._check._tried_by_schema.values()
    tried.size_bytes = 100  # as if it had been small
    await add(cluster, 20)
    await until_compacted(cluster, above=60)
    assert restored_since(before) == 2


async def test_a_machine_is_tried_again_after_each_start(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(Saved, nodes=1))
    await add(cluster, 30)
    await until_compacted(cluster)
    await cluster.kill("n1")
    await cluster.start("n1")
    await add(cluster, 1)  # it has begun from its snapshot
    before = Saved.restored

    await add(cluster, 30)
    await until_compacted(cluster, above=40)

    assert restored_since(before) >= 1


async def test_of_a_snapshot_that_is_too_large_for_a_second_copy_only_the_digest_is_compared(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_check, "TRIED_BYTES_MAX", 100)
    cluster = await started(make_cluster, topology_of(Loses, nodes=1))

    await add(cluster, 30)
    await until_compacted(cluster)


async def test_the_machine_goes_on_while_its_snapshot_is_tried(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(Totals, nodes=1))

    await add(cluster, 35)
    await until_compacted(cluster, above=20)

    assert machine_of(cluster, "n1").history == list(range(1, 36))


def saved(*pieces: bytes) -> _Saved:
    one = _Saved()
    for piece in pieces:
        one.add(piece)
    return one


def test_what_is_saved_again_may_be_cut_or_ordered_otherwise_but_not_changed() -> None:
    assert saved(b"ab", b"c").is_equal_to(saved(b"abc"), in_bytes=True)
    assert saved(b"abc").is_equal_to(saved(b"bca"), in_bytes=True)
    assert not saved(b"abc").is_equal_to(saved(b"abd"), in_bytes=True)
    assert not saved(b"abc").is_equal_to(saved(b"ab"), in_bytes=True)
    assert saved(b"\1abc").is_equal_to(saved(b"\1b", b"\1ac"), in_bytes=False)
    assert not saved(b"\1abc").is_equal_to(saved(b"\1ab"), in_bytes=False)
