"""When a replica applies what is committed: at once, with the visit of a completed write, or in a visit of its own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from coterie.actors.groups.replicas.machine_turns import AT_ONCE_BYTES, AT_ONCE_ENTRIES, WRITE_WAIT_S, MachineTurns
from coterie.protocols.replicated_log import Applied, Apply, Entry, EntryKind, LogIndex, Term

pytestmark = pytest.mark.virtual


class Stage:
    """A replica, whose visits are called by `wake`, and what it has applied, answered and fed."""

    apart_at = None
    is_restoring = False
    has_reads = False

    def __init__(self) -> None:
        self.writes = 0
        self.done: list[str] = []
        self.fed: list[Any] = []
        loop = asyncio.get_running_loop()
        system = SimpleNamespace(loop=loop, run_queue=SimpleNamespace(hold=lambda: False), fail=self.fail)
        context: Any = SimpleNamespace(system=system, clock=SimpleNamespace(monotonic=loop.time), wake=self.wake)
        stage: Any = self
        self.turns = MachineTurns(
            context,
            stage,
            stage,
            stage,
            feed=self.fed.append,
            is_quarantined=lambda: False,
            quarantine=lambda _: None,
            applied=lambda _: None,
            writes=lambda: self.writes,
            needs_disk=lambda: False,
        )

    def wake(self) -> None:
        self.done.append("visit")
        self.turns.begin()

    def fail(self, error: BaseException) -> None:
        raise error

    # The replica and those that wait for it.

    def read(self, query: bytes) -> bytes:
        return query

    def apply(self, entry: Entry) -> bytes:
        self.done.append(f"apply {entry.index}")
        return b"reply"

    def applied(self, *applied: object) -> None:
        if len(applied) == 2:
            self.done.append(f"answer {applied[0]}")


def chunk(first: int, count: int = 1, *, size: int = 1, ref: int | None = None) -> Apply:
    entries = tuple(
        Entry(LogIndex(index), Term(1), EntryKind.COMMAND, bytes(size), 0) for index in range(first, first + count)
    )
    return Apply(entries, {} if ref is None else {LogIndex(first): ref})


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_a_small_chunk_is_applied_and_answered_at_once(stage: Stage) -> None:
    stage.turns.begin()
    assert stage.turns.apply(chunk(1, ref=7)) == Applied(LogIndex(1))
    assert stage.done == ["apply 1", "answer 7"]


async def test_only_one_chunk_of_a_visit_is_applied_at_once(stage: Stage) -> None:
    stage.turns.begin()
    stage.turns.apply(chunk(1))
    assert stage.turns.apply(chunk(2)) is None
    assert stage.done == ["apply 1"]
    await asyncio.sleep(0)
    assert stage.done == ["apply 1", "visit", "apply 2"]
    assert stage.fed == [Applied(LogIndex(2))]


@pytest.mark.parametrize(
    "large", [chunk(1, AT_ONCE_ENTRIES + 1), chunk(1, size=AT_ONCE_BYTES + 1)], ids=["entries", "bytes"]
)
async def test_a_larger_chunk_gets_a_visit_of_its_own(stage: Stage, large: Apply) -> None:
    stage.turns.begin()
    assert stage.turns.apply(large) is None
    assert stage.done == []
    await asyncio.sleep(0)
    assert stage.done[:2] == ["visit", "apply 1"]


async def test_a_chunk_with_callers_does_not_wait_for_the_write_of_its_visit(stage: Stage) -> None:
    stage.turns.begin()
    stage.writes += 1
    assert stage.turns.apply(chunk(1, ref=7)) is None
    assert not stage.turns.awaits_disk()
    await asyncio.sleep(0)
    assert stage.done == ["visit", "apply 1", "answer 7"]


async def test_a_chunk_without_callers_waits_for_the_write_of_its_visit(stage: Stage) -> None:
    stage.turns.begin()
    stage.writes += 1
    assert stage.turns.apply(chunk(1)) is None
    await asyncio.sleep(0)
    assert stage.done == []
    assert stage.turns.awaits_disk()

    stage.turns.begin()  # the write is durable
    assert (stage.done, stage.fed) == (["apply 1"], [Applied(LogIndex(1))])
    await asyncio.sleep(1)
    assert stage.done == ["apply 1"]


async def test_a_chunk_does_not_wait_for_a_disk_that_stalls(stage: Stage) -> None:
    stage.turns.begin()
    stage.writes += 1
    stage.turns.apply(chunk(1))
    await asyncio.sleep(2 * WRITE_WAIT_S)
    assert stage.done == ["visit", "apply 1"]


async def test_a_chunk_for_which_reads_may_wait_does_not_wait_for_a_write(stage: Stage) -> None:
    stage.has_reads = True
    stage.turns.begin()
    stage.writes += 1
    stage.turns.apply(chunk(1))
    await asyncio.sleep(0)
    assert stage.done == ["visit", "apply 1"]


async def test_nothing_waits_after_the_end(stage: Stage) -> None:
    stage.turns.begin()
    stage.writes += 1
    stage.turns.apply(chunk(1))
    stage.turns.close()
    await asyncio.sleep(1)
    assert stage.done == []
