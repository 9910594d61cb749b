"""`NodeSupervisor`: restarts with back-off, fences, gives up loudly, and stops in order."""

from __future__ import annotations

import asyncio
import signal

import pytest

from coterie.node_process import left_line, up_line
from coterie.runtime.cells.supervision import Supervision
from coterie.supervision import node_supervisor
from coterie.supervision.node_supervisor import RESTARTS, NodeSupervisor
from tests.coterie.supervision.fake_processes import FakeProcesses, signal_fake

pytestmark = pytest.mark.virtual

TWICE = Supervision(max_restarts=2, within_s=60.0, backoff_min_s=1.0, backoff_max_s=10.0, jitter=0.0)


class Fixture:
    """A supervisor of fake processes, and what it said."""

    def __init__(self, *codes: int, restarts: Supervision = TWICE) -> None:
        self.processes = FakeProcesses(*codes)
        self.said: list[str] = []
        loop = asyncio.get_running_loop()
        self.supervisor = NodeSupervisor(
            "n1", self.processes.start, lambda _, text: self.said.append(text), restarts, loop.time
        )
        self.task = loop.create_task(self.supervisor.run())


@pytest.fixture(autouse=True)
def signals_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_supervisor, "signal_process", signal_fake)


async def end(made: Fixture) -> None:
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def test_a_process_that_ends_is_restarted_after_growing_delays() -> None:
    made = Fixture(1, 1)
    await asyncio.sleep(30)

    assert made.processes.started_at == pytest.approx([0.0, 1.0, 3.0], abs=0.01)
    assert made.said == ["ended with code 1: restart in 1.0 s", "ended with code 1: restart in 2.0 s"]
    assert (made.supervisor.life, made.supervisor.is_running) == (3, True)
    await end(made)


async def test_a_node_that_ends_too_often_is_given_up_loudly_and_its_task_ends() -> None:
    made = Fixture(1, -9, 3)

    await made.task

    assert made.supervisor.has_given_up
    assert not made.supervisor.is_running
    assert len(made.processes.started) == 3
    assert made.said[-1].startswith("GIVEN UP: it ended 3 times within 60 s, last with the codes 1, -9, 3;")


async def test_a_node_that_cannot_start_with_what_it_has_is_given_up_at_once() -> None:
    made = Fixture(2, 1)

    await asyncio.sleep(30)

    assert made.supervisor.has_given_up
    assert made.task.done()
    assert len(made.processes.started) == 1
    (said,) = made.said
    assert said.startswith("GIVEN UP: it cannot start with the topology, the options and the data that it has;")


@pytest.mark.parametrize(("line", "code", "is_restarted"), [(True, 0, False), (True, 1, True), (False, 0, True)])
async def test_a_node_that_has_left_its_cluster_is_not_started_again(line: bool, code: int, is_restarted: bool) -> None:
    made = Fixture()
    await asyncio.sleep(1)
    if line:
        made.processes.started[0].output.reader.feed_data(left_line("n1", "shop").encode() + b"\n")
    made.processes.started[0].end(code)
    await asyncio.sleep(30)

    assert len(made.processes.started) == (2 if is_restarted else 1)
    assert made.task.done() is not is_restarted
    assert not made.supervisor.has_given_up
    if not is_restarted:
        assert made.said[-1] == "it is not started again: it has left the cluster"
    await end(made)


async def test_a_node_that_was_up_is_restarted_whatever_its_exit_code_is() -> None:
    made = Fixture()
    await asyncio.sleep(1)
    made.processes.started[0].output.reader.feed_data(up_line("n1", "shop", "a:1", 1).encode() + b"\n")
    await asyncio.sleep(1)

    made.processes.started[0].end(2)
    await asyncio.sleep(5)

    assert len(made.processes.started) == 2
    await end(made)


async def test_ends_that_are_far_apart_never_spend_the_budget() -> None:
    made = Fixture()
    for _ in range(5):
        await asyncio.sleep(100)
        made.processes.started[-1].end(1)

    await asyncio.sleep(10)
    assert len(made.processes.started) == 6
    assert not made.supervisor.has_given_up
    await end(made)


async def test_a_fenced_process_is_killed_and_restarted() -> None:
    made = Fixture()
    await asyncio.sleep(1)

    made.supervisor.fence("it has not answered for 10.0 s")
    await asyncio.sleep(5)

    assert made.processes.started[0].signals == [signal.SIGKILL]
    assert len(made.processes.started) == 2
    assert made.said == [
        "fenced (SIGKILL of pid 1): it has not answered for 10.0 s",
        "ended with code -9: restart in 1.0 s",
    ]
    await end(made)


async def test_a_process_that_has_ended_is_not_fenced() -> None:
    made = Fixture(1)
    await asyncio.sleep(0.5)

    made.supervisor.fence("too late")

    assert made.said == ["ended with code 1: restart in 1.0 s"]
    await end(made)


async def test_a_cancelled_supervisor_stops_its_process_in_order_also_if_it_is_paused() -> None:
    made = Fixture()
    await asyncio.sleep(1)

    await end(made)

    assert made.processes.started[0].signals == [signal.SIGTERM]
    assert made.task.cancelled()


async def test_a_process_whose_child_holds_its_output_is_restarted_and_its_pipes_are_closed() -> None:
    made = Fixture()
    await asyncio.sleep(1)
    made.processes.started[0].has_child = True
    made.processes.started[0].output.reader.feed_data(b"last words\n")

    made.processes.started[0].end(-9)
    await asyncio.sleep(5)

    assert len(made.processes.started) == 2
    assert made.processes.started[0].output.is_closed
    assert made.said == ["last words", "ended with code -9: restart in 1.0 s"]
    await end(made)


async def test_a_cancelled_supervisor_ends_although_a_child_of_its_process_holds_the_output() -> None:
    made = Fixture()
    await asyncio.sleep(1)
    made.processes.started[0].has_child = True

    made.task.cancel()
    await asyncio.wait({made.task}, timeout=5)

    assert made.task.cancelled()
    assert made.processes.started[0].signals == [signal.SIGTERM]
    assert made.processes.started[0].output.is_closed


async def test_the_output_of_the_process_is_passed_on_line_by_line() -> None:
    made = Fixture()
    await asyncio.sleep(1)
    made.processes.started[0].output.reader.feed_data(b"one\ntwo \xff\n")

    await asyncio.sleep(1)

    assert made.said == ["one", "two �"]
    await end(made)


async def test_a_process_is_up_once_it_says_so_and_the_next_one_is_not() -> None:
    made = Fixture()
    await asyncio.sleep(1)
    states = [made.supervisor.is_up]
    for line in (up_line("n2", "shop", "h:1", 7), up_line("n1", "shop", "h:1", 7), "more"):
        made.processes.started[0].output.reader.feed_data(line.encode() + b"\n")
        await asyncio.sleep(0.1)
        states.append(made.supervisor.is_up)
    made.processes.started[0].end(1)
    await asyncio.sleep(5)
    states.append(made.supervisor.is_up)

    assert states == [False, False, True, True, False]
    await end(made)


async def test_the_default_budget_gives_a_node_up_that_always_fails_at_once() -> None:
    made = Fixture(*[1] * 20, restarts=RESTARTS)

    await made.task

    assert len(made.processes.started) == RESTARTS.max_restarts + 1
