"""Before the log behind a snapshot is dropped, the state that it restores is compared with that of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from coterie import StateMachine
from coterie.errors import CommandError
from coterie.testing import Cluster
from tests.actors.groups.compaction.kept_totals import (
    Add,
    Total,
    add,
    machine_of,
    started,
    status_of,
    topology_of,
    until_compacted,
)

pytestmark = pytest.mark.virtual


class Rows(StateMachine[Add | Total]):
    """Has rows, and late ones of amounts of 7; saves the names in `SAVED`."""

    transient: ClassVar[tuple[str, ...]] = ("ALL",)
    SAVED: ClassVar[tuple[str, ...]] = ("rows", "late")
    ALL: ClassVar[list[int]] = []

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.late: list[int] = []

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add):
            (self.late if command.amount == 7 else self.rows).append(-len(self.rows))
        return len(self.rows)

    def snapshot(self) -> Iterator[bytes]:
        return iter([json.dumps({name: self.saved(name) for name in self.SAVED}).encode()])

    def saved(self, name: str) -> Any:
        return getattr(self, name).copy()

    def restore(self, piece: bytes) -> None:
        vars(self).update(json.loads(piece))


class LeavesOut(Rows):
    SAVED = ("late",)


class Sorts(Rows):
    def saved(self, name: str) -> Any:
        return sorted(getattr(self, name))


class LeavesOutLate(Rows):
    SAVED = ("rows",)


class Doubles(Rows):
    def restore(self, piece: bytes) -> None:
        super().restore(piece)
        self.rows = self.rows * 2


class ReadsLater(Rows):
    """Its snapshot shows what is applied while its pieces are taken."""

    def snapshot(self) -> Iterator[bytes]:
        return map(str.encode, self.texts())

    def texts(self) -> Iterator[str]:
        yield "{}"
        yield json.dumps({name: getattr(self, name) for name in self.SAVED})


class Empties(Rows):
    """Its snapshot takes out what it saves."""

    def snapshot(self) -> Iterator[bytes]:
        rows, self.rows = self.rows, []
        return iter([json.dumps({"rows": rows, "late": self.late}).encode()])


class EmptiesLater(Rows):
    def snapshot(self) -> Iterator[bytes]:
        return map(str.encode, self.texts([*self.rows]))

    def texts(self, rows: list[int]) -> Iterator[str]:
        self.rows.clear()
        yield json.dumps({"rows": rows, "late": self.late})


class Shares(Rows):
    """All machines of a process keep their rows in one list."""

    ALL: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.rows = self.ALL

    def restore(self, piece: bytes) -> None:
        self.rows.clear()
        self.late = json.loads(piece)["late"]


class ClearsAtInit(Shares):
    ALL: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.rows.clear()

    def restore(self, piece: bytes) -> None:
        self.rows[:] = json.loads(piece)["rows"]
        self.late = json.loads(piece)["late"]


class Caching(Rows):
    transient: ClassVar[tuple[str, ...]] = ("cache",)

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[int, int] = {}

    def apply(self, command: Add | Total, /) -> int:
        self.cache[len(self.cache)] = 1
        return super().apply(command)


class CachingUnsaid(Caching):
    transient = ()  # which does not take the base's away
    SAVED = ("rows", "late")


class YieldsNothing(Rows):
    transient = ("rows", "late")

    def snapshot(self) -> Iterator[bytes]:
        return iter(())

    def restore(self, piece: bytes) -> None:
        raise AssertionError


class YieldsOnce(Rows):
    """Hands out the same iterator again, which has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    transient = ("given",)

    def snapshot(self) -> Iterator[bytes]:
        self.given += 1
        return super().snapshot() if self.given == 1 else iter(())


def records(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith(event)]


async def grown(make_cluster: Any, machine: Any, count: int = 60) -> Cluster:
    cluster = await started(make_cluster, topology_of(machine, nodes=1))
    await add(cluster, count)
    await asyncio.sleep(5)
    return cluster


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (LeavesOut, r"LeavesOut.rows is \d+ items, and 0 items in a new LeavesOut that was restored from it"),
        (Sorts, r"Sorts.rows\[\d+\] is -?\d, and -\d+ in a new Sorts"),
        (Doubles, r"Doubles.rows is \d+ items, and \d+ items in a new Doubles"),
    ],
)
async def test_nothing_is_dropped_for_a_snapshot_of_which_another_state_is_restored(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, machine: Any, reason: str
) -> None:
    cluster = await grown(make_cluster, machine)

    status = await status_of(cluster, "n1")
    assert (status.base_index, status.snapshot_index) == (0, 0)
    assert (await cluster["n1"].store.state("totals")).first == 1
    first = records(caplog, "group.snapshot_unusable")[0]
    assert first.levelno == logging.ERROR
    assert re.search(reason, first.getMessage())
    assert f"{machine.__name__}.rows" in str(status.trouble)
    assert machine_of(cluster, "n1").rows == [-at for at in range(60)]


async def test_state_is_compared_again_once_an_attribute_has_a_value_that_had_none_before(make_cluster: Any) -> None:
    cluster = await grown(make_cluster, LeavesOutLate)
    before = await status_of(cluster, "n1")
    assert (before.trouble, before.base_index > 0) == (None, True)

    group = (await cluster.client()).group("totals")
    await group.execute(Add(7))
    await add(cluster, 12)
    await asyncio.sleep(5)

    status = await status_of(cluster, "n1")
    assert "LeavesOutLate.late is 1 item, and 0 items in a new" in str(status.trouble)
    assert status.snapshot_index <= before.last_index


async def test_snapshot_that_shows_what_comes_later_is_not_used(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await started(make_cluster, topology_of(ReadsLater, nodes=1))
    create = cluster["n1"].store.snapshots.create

    async def create_later(group: str) -> Any:
        await asyncio.sleep(1)
        return await create(group)

    monkeypatch.setattr(cluster["n1"].store.snapshots, "create", create_later)
    await add(cluster, 30)
    await asyncio.sleep(5)

    told = records(caplog, "group.snapshot_unusable")[0].getMessage()
    assert re.search(r"ReadsLater.rows is \d+ items?, and \d+ items in", told)


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (
            Empties,
            r"Empties.snapshot has changed the machine that is in use: Empties.rows was \d+ items, and is 0 items",
        ),
        (
            EmptiesLater,
            r"EmptiesLater.snapshot has changed the machine that is in use: EmptiesLater.rows was \d+ items",
        ),
        (Shares, r"Shares.restore has changed the machine that is in use: Shares.rows was \d+ items, and is 0 items"),
        (
            ClearsAtInit,
            r"ClearsAtInit.snapshot has changed the machine that is in use: ClearsAtInit.rows was \d+ items",
        ),
    ],
)
async def test_after_a_snapshot_that_changed_the_machine_there_is_no_other_one_and_what_it_answered_stays(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, machine: Any, reason: str
) -> None:
    machine.ALL.clear()
    cluster = await started(make_cluster, topology_of(machine, nodes=1))
    with contextlib.suppress(CommandError):
        await add(cluster, 60)
    await asyncio.sleep(5)

    status, store = await status_of(cluster, "n1"), cluster["n1"].store
    assert re.search(reason, str(status.quarantine))
    assert (status.base_index, status.snapshot_index, store.snapshots.names("totals")) == (0, 0, ())
    assert len(records(caplog, "group.snapshot_unusable")) == 1
    assert (await store.state("totals")).first == 1

    machine.ALL.clear()
    for method in ("snapshot", "restore", "__init__"):
        monkeypatch.setattr(machine, method, getattr(Rows, method))  # it is mended
    await cluster.kill("n1")
    await cluster.start("n1")
    await add(cluster, 1)
    rows = machine_of(cluster, "n1").rows
    assert rows == [-at for at in range(len(rows))]
    assert len(rows) > 8


async def test_transient_attribute_may_be_another_one(make_cluster: Any) -> None:
    for machine in (Caching, CachingUnsaid):
        cluster = await started(make_cluster, topology_of(machine, nodes=1))
        await add(cluster, 40)
        await until_compacted(cluster, above=20)
        assert (await status_of(cluster, "n1")).trouble is None


async def test_cache_that_is_not_called_transient_is_named_with_what_to_do(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Caching, "transient", ())
    from coterie.actors.groups.snapshots import frozen_state, state_encoding  # noqa: PLC0415

    state_encoding.transient_names.cache_clear()
    frozen_state._not_compared.cache_clear()
    try:
        cluster = await grown(make_cluster, Caching)
        trouble = str((await status_of(cluster, "n1")).trouble)
        assert "Caching.cache is " in trouble
        assert "is named in `transient` of Caching" in trouble
    finally:
        monkeypatch.undo()
        state_encoding.transient_names.cache_clear()
        frozen_state._not_compared.cache_clear()


async def test_machine_that_yields_nothing_although_it_has_changed_is_told_once(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await grown(make_cluster, YieldsNothing)

    (told,) = records(caplog, "group.snapshot_empty")
    assert told.levelno == logging.WARNING
    assert "machine=YieldsNothing" in told.getMessage()
    assert (await status_of(cluster, "n1")).trouble is None


async def test_snapshot_that_has_become_small_is_tried_again(make_cluster: Any) -> None:
    cluster = await grown(make_cluster, YieldsOnce)

    status = await status_of(cluster, "n1")
    assert "YieldsOnce.rows is" in str(status.trouble)
    assert 0 < status.snapshot_index < 20


class Counts(Rows):
    """Counts its snapshots, and does not say that this is no state."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = 0

    def snapshot(self) -> Iterator[bytes]:
        self.snapshots += 1
        return super().snapshot()


async def test_machine_that_a_snapshot_has_changed_without_a_loss_stays_in_use_and_keeps_its_log(
    make_cluster: Any,
) -> None:
    cluster = await grown(make_cluster, Counts)

    status = await status_of(cluster, "n1")
    assert (status.quarantine, status.base_index) == (None, 0)
    assert "Counts.snapshot has changed the machine that is in use: Counts.snapshots was 0, and is 1" in str(
        status.trouble
    )
    assert len(machine_of(cluster, "n1").rows) == 60
    assert machine_of(cluster, "n1").snapshots == 1  # there was no other one


async def test_backup_is_refused_with_the_reason_once_a_snapshot_has_changed_the_machine(
    make_cluster: Any,
) -> None:
    cluster = await grown(make_cluster, Counts)
    taking = cluster["n1"].system.registry.cell_at("totals").actor._snapshots._taking  # type: ignore[union-attr]

    for _ in range(2):
        assert "has changed the machine" in str(taking.demand(taking._last[0].index))


class Watched(Rows):
    """Notes what the watchdog would name while its code runs."""

    transient = ("system", "named")
    system: ClassVar[Any] = None
    named: ClassVar[set[Any]] = set()

    def snapshot(self) -> Iterator[bytes]:
        if self.system is not None:
            self.named.add(("snapshot", self.system.run_queue.named))
        return map(self.note, super().snapshot())

    def note(self, piece: bytes) -> bytes:
        if self.system is not None:
            self.named.add(("piece", self.system.run_queue.named))
        return piece

    def restore(self, piece: bytes) -> None:
        self.named.add(("restore", self.system.run_queue.named))
        super().restore(piece)


async def test_watchdog_can_name_the_snapshot_and_the_restore_of_a_machine(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = await started(make_cluster, topology_of(Watched, nodes=1))
    system = cluster["n1"].system
    monkeypatch.setattr(Watched, "system", system)

    await add(cluster, 15)
    await until_compacted(cluster)

    snapshot, restore = ("totals", "Watched.snapshot"), ("totals", "Watched.restore")
    assert Watched.named == {("snapshot", snapshot), ("piece", snapshot), ("restore", restore)}
    assert system.run_queue.named is None
