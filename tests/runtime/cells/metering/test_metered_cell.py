"""A metered actor: its meter follows each ask from its arrival to its end, whatever that is, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorFailed, ActorStopped, AskTimeout, MailboxFullError
from coterie.runtime.actor import Actor, Later
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.metered_cell import MeteredCell
from coterie.runtime.cells.metering.metered_envelope import MeteredEnvelope
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System
from tests.runtime.recording_meter import RecordingMeter

pytestmark = pytest.mark.virtual


class Refused(ValueError):
    pass


@message(name="metered.Work", raises=(Refused,))
class Work(Ask[str]):
    seconds: float = 0.0
    kind: str = "reply"


@message(name="metered.Note")
class Note:
    pass


class Worker(Actor[Work | Note]):
    """Does what a message says; notes what came by tell, or was deferred."""

    def __init__(self) -> None:
        self.notes = 0
        self.kept: list[Later[str]] = []

    def receive(self, msg: Work | Note) -> str:
        if isinstance(msg, Note):
            self.notes += 1
            self.context.unstash()
            for later in self.kept:
                later.reply("later")
            return ""
        match msg.kind:
            case "fail":
                raise RuntimeError("broken")
            case "refuse":
                raise Refused("no")
            case "defer":
                self.kept.append(self.context.reply_later(msg))
            case "stash" if not self.notes:
                self.context.stash()
        return "done"


class AsyncWorker(Actor[Work | Note]):
    """Waits as long as a message says."""

    async def receive(self, msg: Work | Note) -> str:
        if isinstance(msg, Work):
            await asyncio.sleep(msg.seconds)
            if msg.kind == "fail":
                raise RuntimeError("broken")
        return "slept"


@pytest.fixture
def meter() -> RecordingMeter:
    return RecordingMeter()


@pytest.mark.parametrize("actor", [Worker, AsyncWorker])
async def test_an_ask_is_followed_from_its_arrival_to_its_answer(
    virtual_host: VirtualHost, meter: RecordingMeter, actor: type[Actor[Any]]
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(actor, meter=meter)
        await ref.ask(Work())
        await ref.ask(Work(), timeout_s=1.0)
        await system.at(ref.address).ask(Work())

    followed = ["arrived", "started", "completed", "returned"]
    assert meter.calls == {1: followed, 2: followed, 3: followed}


async def test_the_times_are_those_of_arrival_start_and_answer(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(AsyncWorker, meter=meter)
        await asyncio.gather(ref.ask(Work(0.25)), ref.ask(Work(0.5)))

    assert meter.times[1] == [0.0, 0.0, 0.25, 0.25]
    assert meter.times[2] == [0.0, 0.25, 0.75, 0.75]


async def test_tells_and_offers_are_no_requests(virtual_host: VirtualHost, meter: RecordingMeter) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        ref.tell(Note())
        ref.tell(Work())
        await ref.offer(Note())
        await asyncio.sleep(1)

    assert meter.calls == {}


@pytest.mark.parametrize(("kind", "end"), [("fail", "failed"), ("refuse", "completed")])
async def test_only_an_error_that_is_not_declared_is_a_failure(
    virtual_host: VirtualHost, meter: RecordingMeter, kind: str, end: str
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        with pytest.raises((ActorFailed, Refused)):
            await ref.ask(Work(kind=kind))

    assert sorted(meter.calls[1]) == sorted(["arrived", "started", end, "returned"])


async def test_a_failing_async_handler_is_a_failure(virtual_host: VirtualHost, meter: RecordingMeter) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(AsyncWorker, meter=meter)
        with pytest.raises(ActorFailed):
            await ref.ask(Work(kind="fail"))

    assert meter.calls == {1: ["arrived", "started", "returned", "failed"]}


async def test_a_reply_that_comes_later_ends_the_request(virtual_host: VirtualHost, meter: RecordingMeter) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        asked = ref.ask(Work(kind="defer"))
        await asyncio.sleep(1)
        assert meter.calls == {1: ["arrived", "started", "returned"]}
        ref.tell(Note())

        assert await asked == "later"

    assert meter.calls == {1: ["arrived", "started", "returned", "completed"]}


async def test_a_stashed_request_is_in_flight_until_it_is_answered(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        asked = ref.ask(Work(kind="stash"))
        await asyncio.sleep(1)
        assert meter.calls == {1: ["arrived", "started", "returned"]}
        ref.tell(Note())

        assert await asked == "done"

    assert meter.calls == {1: ["arrived", "started", "returned", "started", "completed", "returned"]}


async def test_a_request_whose_asker_gave_up_before_its_turn_is_abandoned(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(AsyncWorker, meter=meter)
        first = ref.ask(Work(2.0))
        with pytest.raises(AskTimeout):
            await ref.ask(Work(), timeout_s=0.5)
        await first
        await asyncio.sleep(0.1)

    assert meter.calls[1] == ["arrived", "started", "completed", "returned"]
    assert meter.calls[2] == ["arrived", "abandoned"]


async def test_a_request_that_a_full_mailbox_refuses_has_not_arrived(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(AsyncWorker, meter=meter, capacity=1)
        first = ref.ask(Work(1.0))
        await asyncio.sleep(0.1)
        second = ref.ask(Work())
        with pytest.raises(MailboxFullError):
            await ref.ask(Work())
        await asyncio.gather(first, second)

    assert meter.calls[0] == ["failed"], "number 0: it was never in the mailbox"
    assert sorted(meter.calls) == [0, 1, 2]


async def test_a_dropped_request_and_those_of_a_stopped_actor_end_as_failures(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(AsyncWorker, meter=meter, capacity=1, overflow=Overflow.DROP_OLD)
        first = ref.ask(Work(1.0))
        await asyncio.sleep(0.1)
        dropped, waiting = ref.ask(Work()), ref.ask(Work())
        with pytest.raises(MailboxFullError):
            await dropped
        await system.stop(ref)
        with pytest.raises(ActorStopped):
            await waiting
        await first

    assert meter.calls[2] == meter.calls[3] == ["arrived", "failed"]


async def test_a_restarted_actor_keeps_its_meter_and_its_waiting_requests(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter, supervision=Supervision())
        failed, waiting = ref.ask(Work(kind="fail")), ref.ask(Work())
        with pytest.raises(ActorFailed):
            await failed
        assert await waiting == "done"
        assert await ref.ask(Work()) == "done"

        assert system.stats().restarts == 1

    assert [meter.calls[number][-2:] for number in (2, 3)] == [["completed", "returned"]] * 2


async def test_nothing_is_metered_while_the_meter_does_not_want_it(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        meter.changed(False)
        await ref.ask(Work())
        await ref.ask(Work(), timeout_s=1.0)
        assert meter.calls == {}
        meter.changed(True)
        await ref.ask(Work())
        meter.changed(False)
        await ref.ask(Work())

    assert list(meter.calls) == [1]


async def test_a_restart_does_not_change_whether_requests_are_metered(
    virtual_host: VirtualHost, meter: RecordingMeter
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Worker, meter=meter)
        for is_metering in (False, True):
            meter.changed(is_metering)
            with pytest.raises(ActorFailed):
                await ref.ask(Work(kind="fail"))
            meter.calls.clear()
            await ref.ask(Work())

            assert bool(meter.calls) is is_metering


async def test_the_time_of_the_loop_is_that_of_handlers_without_their_waits(virtual_host: VirtualHost) -> None:
    blocked_s = 0.125

    def block(system: System) -> None:
        virtual_host.clock.advance_to(virtual_host.clock.monotonic() + blocked_s)

    class Blocking(Actor[Work]):
        def receive(self, msg: Work) -> str:
            block(self.context.system)
            return ""

    class BlockingAsync(Actor[Work]):
        async def receive(self, msg: Work) -> str:
            await asyncio.sleep(5)
            block(self.context.system)
            return ""

    async with System(host=virtual_host) as system:
        for actor in (Blocking, BlockingAsync):
            meter = RecordingMeter()
            await system.spawn(actor, meter=meter).ask(Work(), timeout_s=60.0)

            assert meter.loop_s == pytest.approx(blocked_s)


@contextmanager
def counted_envelopes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    made: list[int] = []
    original = MeteredEnvelope.__init__

    def count(self: MeteredEnvelope, *args: Any) -> None:
        made.append(1)
        original(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(MeteredEnvelope, "__init__", count)
        yield made


async def test_an_actor_without_a_meter_has_no_metered_envelopes(
    virtual_host: VirtualHost, meter: RecordingMeter, monkeypatch: pytest.MonkeyPatch
) -> None:
    with counted_envelopes(monkeypatch) as made:
        async with System(host=virtual_host) as system:
            metered, plain = system.spawn(Worker, meter=meter), system.spawn(partial(Worker))
            await plain.ask(Work())
            assert made == []
            await metered.ask(Work())
            assert made == [1]


@pytest.mark.parametrize("metering", ["metered"], indirect=True)
async def test_the_tests_that_run_twice_do_meter_every_actor(
    virtual_host: VirtualHost, metering: list[RecordingMeter]
) -> None:
    async with System(host=virtual_host) as system:
        await system.spawn(Worker).ask(Work())

    assert [list(meter.calls) for meter in metering] == [[1]]


@pytest.mark.parametrize("is_metering", [False, True])
async def test_open_asks_are_counted_until_they_are_answered_or_expire(
    virtual_host: VirtualHost, is_metering: bool
) -> None:
    async with System(host=virtual_host) as system:
        meter = RecordingMeter()
        worker = system.spawn(Worker, name="w", meter=meter)
        cell = system.registry.cell_at("w")
        assert isinstance(cell, MeteredCell)
        meter.changed(is_metering)
        kept = [worker.ask(Work(kind="defer"), timeout_s=60.0), worker.ask(Work(kind="stash"), timeout_s=60.0)]
        lost = worker.ask(Work(kind="defer"), timeout_s=5.0)
        await asyncio.sleep(1.0)
        assert cell.open_asks == 3
        await asyncio.sleep(10.0)
        assert cell.open_asks == 2
        worker.tell(Note())
        await asyncio.gather(*kept)

        assert cell.open_asks == 0
        assert isinstance(lost.exception(), AskTimeout)


async def test_deferred_replies_that_are_over_take_no_memory(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        worker = system.spawn(Worker, name="w", meter=RecordingMeter())
        cell = system.registry.cell_at("w")
        assert isinstance(cell, MeteredCell)
        for _ in range(1000):
            reply = worker.ask(Work(kind="defer"))
            worker.tell(Note())
            await reply

        assert len(cell._deferred) <= 64
