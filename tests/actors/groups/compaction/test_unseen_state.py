"""State that is in no snapshot, or that no trial can compare, is told: of the class, in closures and iterators."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tests.actors.groups.compaction.kept_totals import Add, Total, add, started, status_of, topology_of, until_compacted
from tests.actors.groups.compaction.test_tried_states import Rows, grown, records

pytestmark = pytest.mark.virtual


class ClassTotal(Rows):
    """Counts in its class."""

    TOTALS: ClassVar[dict[str, int]] = {}
    zero: ClassVar[float] = 0.0

    def apply(self, command: Add | Total, /) -> int:
        self.TOTALS["rows"] = self.TOTALS.get("rows", 0) + 1
        return super().apply(command)


class ClassNew(Rows):
    def apply(self, command: Add | Total, /) -> int:
        type(self).total = 1  # type: ignore[attr-defined]
        return super().apply(command)


class ClassCount(Rows):
    count = 0

    def apply(self, command: Add | Total, /) -> int:
        type(self).count += 1
        return super().apply(command)


class ClassMetric(ClassCount):
    """Counts what is no state, and says so."""

    transient = ("count",)


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (ClassTotal, "ClassTotal.TOTALS was 0 items, and is 1 item: this is an attribute of the class"),
        (ClassNew, "ClassNew.total is new: this is an attribute of the class"),
        (ClassCount, "ClassCount.count was 0, and is "),
    ],
)
async def test_attribute_of_the_class_that_commands_change_is_named_and_the_log_stays(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, machine: Any, reason: str
) -> None:
    if machine is ClassNew:
        monkeypatch.setattr(machine, "total", 0, raising=False)
        monkeypatch.delattr(machine, "total")
    else:
        monkeypatch.setattr(machine, "TOTALS", {}, raising=False)
        monkeypatch.setattr(machine, "count", 0, raising=False)
    cluster = await grown(make_cluster, machine)

    status = await status_of(cluster, "n1")
    assert reason in str(status.trouble)
    assert f"name it in `transient` of {machine.__name__}" in str(status.trouble)
    assert (status.quarantine, status.base_index, status.snapshot_index) == (None, 0, 0)


async def test_attribute_of_the_class_that_is_named_transient_may_change(make_cluster: Any) -> None:
    cluster = await grown(make_cluster, ClassMetric)

    status = await status_of(cluster, "n1")
    assert (status.trouble, status.base_index > 0) == (None, True)


class Unseen(Rows):
    """Keeps a number where nobody sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = iter(range(1000))

    def apply(self, command: Add | Total, /) -> int:
        next(self.numbers)
        return super().apply(command)


async def test_attribute_that_no_trial_can_compare_is_told_once(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await grown(make_cluster, Unseen)

    assert (await status_of(cluster, "n1")).base_index > 20
    (told,) = records(caplog, "group.state_unseen")
    assert told.levelno == logging.WARNING
    assert "machine=Unseen attributes=numbers (range_iterator)" in told.getMessage()


class NotYet(Rows):
    """Is as new until its snapshot is being written, and yields nothing then."""

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add) and command.amount == 7:
            self.late.append(1)
        return 0

    def snapshot(self) -> Iterator[bytes]:
        return iter([json.dumps(self.late).encode()] if self.late else ())

    def restore(self, piece: bytes) -> None:
        self.late = json.loads(piece)


async def test_machine_that_commands_fill_while_its_empty_snapshot_is_written_is_not_told(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await started(make_cluster, topology_of(NotYet, nodes=1))
    group, create = (await cluster.client()).group("totals"), cluster["n1"].store.snapshots.create

    async def create_later(name: str) -> Any:
        await group.execute(Add(7), timeout_s=60)
        return await create(name)

    monkeypatch.setattr(cluster["n1"].store.snapshots, "create", create_later)
    await add(cluster, 30)
    await until_compacted(cluster)

    assert records(caplog, "group.snapshot_empty") == []
