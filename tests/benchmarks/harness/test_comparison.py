"""Comparisons are fair, and a run that loses messages is an error."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from benchmarks.harness.bare_queues import BareAsks, BareQueue, BareSwitch
from benchmarks.harness.comparison import Comparison, Workload
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.pinning import pinned_to_first
from benchmarks.harness.results import Measurement
from benchmarks.harness.rounds import in_rounds
from benchmarks.harness.settings import Settings
from benchmarks.messaging.remote_tell import pump
from coterie import Actor, message


@message(name="comparison.Item")
class Item:
    number: int


class Sink(Actor[Item]):
    def receive(self, msg: Item) -> None:
        pass


def recorder(name: str, log: list[str], rate: float) -> Workload:
    async def work(count: int) -> Measurement:
        log.append(f"{name} {count}")
        return Measurement(rate, {"cpu_us": rate / 10})

    return work


async def test_floor_and_coterie_take_turns_after_a_warm_up() -> None:
    log: list[str] = []
    comparison = Comparison("it", "tells/s", 100, recorder("floor", log, 50.0), recorder("coterie", log, 20.0))

    await comparison.run(Settings(runs=2))

    assert log == ["floor 10", "coterie 10", "floor 100", "coterie 100", "floor 100", "coterie 100"]


async def test_the_ratio_is_to_the_floor_of_the_same_run() -> None:
    comparison = Comparison("it", "tells/s", 100, recorder("floor", [], 50.0), recorder("coterie", [], 20.0))

    floor, coterie = await comparison.run(Settings(runs=3))

    assert (floor.ratio, coterie.ratio, coterie.detail) == (None, 0.4, {"cpu_us": 2.0})


async def test_a_system_that_drops_a_message_spoils_the_run() -> None:
    with pytest.raises(RuntimeError, match=r"is invalid: 'benchmark' dropped messages: .*mailbox_full.*1"):
        await overflow()


async def overflow() -> None:
    async with measured_system() as system:
        sink = system.spawn(Sink, capacity=1)
        sink.tell(Item(1))
        sink.tell(Item(2))


async def test_a_pump_whose_messages_are_not_all_handled_is_an_error() -> None:
    handled: list[int] = []

    def mark() -> asyncio.Future[int]:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        answer.set_result(len(handled) - 1)
        return answer

    with pytest.raises(RuntimeError, match="19 of 20 messages were handled"):
        await pump(handled.append, mark, list(range(10)), lambda told: told < 20)


async def test_rounds_wait_until_all_is_handled() -> None:
    handled: list[int] = []
    queue = BareQueue(handled.append)

    def send() -> None:
        assert len(handled) % 3 == 0
        for number in range(3):
            queue.tell(number)

    measurement = await in_rounds(send, 3, lambda: len(handled), 7)

    assert (len(handled), measurement.value > 0) == (9, True)


async def test_a_switch_calls_receivers_in_the_order_of_the_tells() -> None:
    handled: list[str] = []
    switch = BareSwitch()
    receivers: list[Callable[[str], object]] = [lambda item: handled.append(f"a {item}"), handled.append]

    for number, receive in enumerate(receivers * 2):
        switch.tell(receive, str(number))
    await asyncio.sleep(0)

    assert handled == ["a 0", "1", "a 2", "3"]


async def test_a_bare_ask_has_its_reply_and_forgets_its_time_out() -> None:
    def successor(number: int) -> int:
        return number + 1

    asks = BareAsks(successor)

    answers = await asyncio.gather(*(_awaited(asks.ask(number)) for number in range(3)))

    assert answers == [1, 2, 3]
    assert not any(asks._bucket_by_slot.values())


async def _awaited(answer: Awaitable[int]) -> int:
    return await answer


def test_pinning_ends_with_its_block() -> None:
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not pin")
    before = os.sched_getaffinity(0)

    with pinned_to_first():
        within = os.sched_getaffinity(0)

    assert (len(within), os.sched_getaffinity(0)) == (1, before)
