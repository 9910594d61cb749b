"""`RunQueue`: the order of visits; no cell is lost or starved."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

import pytest

from coterie.runtime.cells.run_queue import IDLE, NORMAL, URGENT, RunQueue
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock


class Cell:
    """Notes each visit in `log`; `work` is what a visit does."""

    def __init__(self, name: str, log: list[str], work: Callable[[Cell], None] = lambda cell: None) -> None:
        self.name = name
        self.log = log
        self.work = work
        self.queued = IDLE
        self.in_normal = False

    def visit(self, end: float) -> None:
        self.log.append(self.name)
        self.work(self)

    def adopt(self, context: contextvars.Context) -> None:
        self.log.append(f"{self.name} adopts {sorted(context.values())}")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def log() -> list[str]:
    return []


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_urgent_cells_go_before_normal_ones_and_each_kind_in_order(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)
    for name, priority in (("n1", NORMAL), ("u1", URGENT), ("n2", NORMAL), ("u2", URGENT)):
        queue.push(Cell(name, log), priority)

    await turns()

    assert log == ["u1", "u2", "n1", "n2"]


async def test_a_cell_that_moves_forward_is_visited_once(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)
    cell = Cell("c", log)
    queue.push(cell, NORMAL)
    queue.push(cell, URGENT)
    queue.push(cell, NORMAL)

    await turns()

    assert log == ["c"]


async def test_a_cell_that_a_task_runs_is_left_alone_though_its_old_place_is_still_queued(
    clock: VirtualClock, log: list[str]
) -> None:
    def become_busy(cell: Cell) -> None:
        cell.queued = URGENT + 1

    queue = RunQueue(asyncio.get_running_loop(), clock)
    cell = Cell("c", log, become_busy)
    queue.push(cell, NORMAL)
    queue.push(cell, URGENT)

    await turns()

    assert log == ["c"]
    assert cell.queued == URGENT + 1


async def test_a_turn_ends_when_its_slice_is_over_and_the_rest_goes_on_in_the_next(
    clock: VirtualClock, log: list[str]
) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)

    def slow(cell: Cell) -> None:
        clock.advance_to(clock.monotonic() + 0.0006)

    for at in range(6):
        queue.push(Cell(str(at), log, slow), NORMAL)
    seen: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(len(log)))

    await turns(5)

    assert seen == [2], "other callbacks wait for the slice only"
    assert log == list("012345")


async def test_urgent_cells_that_never_rest_do_not_starve_a_normal_one(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)

    def again(cell: Cell) -> None:
        clock.advance_to(clock.monotonic() + 0.0004)
        if len(log) < 1000:
            queue.push(cell, URGENT)

    queue.push(Cell("u", log, again), URGENT)
    queue.push(Cell("n", log), NORMAL)

    await turns(5)

    assert "n" in log


async def test_normal_cells_that_never_rest_take_turns(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)

    def again(cell: Cell) -> None:
        if len(log) < 9:
            queue.push(cell, NORMAL)

    for name in "abc":
        queue.push(Cell(name, log, again), NORMAL)

    await turns()

    assert log[:9] == list("abcabcabc")


async def test_a_cell_that_goes_back_and_forth_does_not_pile_up_places(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)

    def flip(cell: Cell) -> None:
        if len(log) < 1000:
            queue.push(cell, NORMAL)
            queue.push(cell, URGENT)

    queue.push(Cell("c", log, flip), URGENT)
    await turns()

    assert len(log) >= 1000
    assert len(queue._normal) <= 1


async def test_a_visit_that_raises_does_not_lose_the_others(clock: VirtualClock, log: list[str]) -> None:
    loop = asyncio.get_running_loop()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    queue = RunQueue(loop, clock)

    def fail(cell: Cell) -> None:
        raise RuntimeError("defect")

    queue.push(Cell("bad", log, fail), NORMAL)
    queue.push(Cell("good", log), NORMAL)

    await turns()

    assert log == ["bad", "good"]
    assert len(errors) == 1


async def test_a_turn_that_is_held_back_begins_at_once_and_ends_with_its_release(
    clock: VirtualClock, log: list[str]
) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)
    queue.set_turn_hooks(lambda: log.append("begin"), lambda: log.append("end"))

    assert queue.hold()
    log.append("sent")
    queue.push(Cell("c", log), NORMAL)
    queue.release()

    assert [each for at, each in enumerate(log) if each != "begin" or at == 0] == ["begin", "sent", "c", "end"]


async def test_a_turn_that_is_held_back_for_nobody_ends_all_the_same(clock: VirtualClock, log: list[str]) -> None:
    queue = RunQueue(asyncio.get_running_loop(), clock)
    queue.set_turn_hooks(lambda: log.append("begin"), lambda: log.append("end"))

    assert queue.hold()
    queue.release()

    assert log == ["begin", "end"]
    assert queue.hold()
