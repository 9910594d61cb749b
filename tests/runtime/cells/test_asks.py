"""tell, ask, offer: order, at most once, one at a time, and exactly one answer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorFailed, ActorNotFound, ActorStopped, AskTimeout, MailboxFullError, Outcome
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System


@message(name="asks.Note")
class Note:
    number: int


@message(name="asks.Urgent", lane=Lane.CONSENSUS)
class Urgent:
    number: int


@message(name="asks.Get")
class Get(Ask[int]):
    number: int


@message(name="asks.Fail")
class Fail(Ask[int]):
    text: str = "broken"


@message(name="asks.Sleep")
class Sleep(Ask[str]):
    seconds: float


class Sync(Actor[Note | Urgent | Get | Fail]):
    """Notes what it handles in `seen`."""

    def __init__(self, seen: list[int]) -> None:
        self.seen = seen

    def receive(self, msg: Note | Urgent | Get | Fail) -> int:
        if isinstance(msg, Fail):
            raise RuntimeError(msg.text)
        self.seen.append(msg.number)
        return msg.number


class Async(Sync):
    async def receive(self, msg: Note | Urgent | Get | Fail) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return super().receive(msg)


BOTH = pytest.mark.parametrize("kind", [Sync, Async])


class Sleeper(Actor[Sleep | Note]):
    """Sleeps as long as it is told; notes begin and end."""

    def __init__(self, seen: list[str]) -> None:
        self.seen = seen

    async def receive(self, msg: Sleep | Note) -> str:
        if isinstance(msg, Sleep):
            self.seen.append(f"begin {msg.seconds}")
            await asyncio.sleep(msg.seconds)
            self.seen.append(f"end {msg.seconds}")
            return f"slept {msg.seconds}"
        self.seen.append(f"note {msg.number}")
        return ""


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; the test's timeout bounds it."""
    while not condition():  # noqa: ASYNC110 (conditions here have no event)
        await asyncio.sleep(0)


@BOTH
async def test_asks_and_tells_of_one_sender_arrive_in_order(kind: type[Sync]) -> None:
    seen: list[int] = []
    async with System() as system:
        ref = system.spawn(partial(kind, seen))
        asks = []
        for at in range(0, 300, 3):
            ref.tell(Note(at))
            asks.append(ref.ask(Get(at + 1)))
            ref.tell(Note(at + 2))
        replies = [await ask for ask in asks]
        await ref.ask(Get(300))

    assert seen == list(range(301))
    assert replies == list(range(1, 300, 3))


@BOTH
async def test_consensus_overtakes_bulk_and_order_holds_within_each_lane(kind: type[Sync]) -> None:
    seen: list[int] = []
    async with System() as system:
        ref = system.spawn(partial(kind, seen))
        for at in range(100):
            ref.tell(Note(at))
            ref.tell(Urgent(1000 + at))
        await until(lambda: len(seen) == 200)

    assert seen == [*range(1000, 1100), *range(100)]


@pytest.mark.virtual
async def test_an_actor_handles_one_message_at_a_time_however_it_was_scheduled(virtual_host: VirtualHost) -> None:
    inside = deepest = handled = 0

    class Careful(Actor[Note | Urgent]):
        async def receive(self, msg: Note | Urgent) -> None:
            nonlocal inside, deepest, handled
            inside += 1
            deepest = max(deepest, inside)
            await asyncio.sleep(0.01)
            inside -= 1
            handled += 1

    async with System(host=virtual_host) as system:
        ref = system.spawn(Careful)
        for at in range(5):
            ref.tell(Note(at))  # puts the cell among the normal ones …
            ref.tell(Urgent(at))  # … and then among the urgent ones as well
            await asyncio.sleep(0.015)
        await asyncio.sleep(1)

    assert (deepest, handled) == (1, 10)


@BOTH
async def test_an_error_of_the_handler_reaches_the_asker_as_unknown(kind: type[Sync]) -> None:
    async with System() as system:
        ref = system.spawn(partial(kind, []), name="victim")
        with pytest.raises(ActorFailed, match="'victim' failed on Fail: RuntimeError: broken") as caught:
            await ref.ask(Fail())

        assert caught.value.outcome is Outcome.UNKNOWN
        assert await ref.ask(Get(1)) == 1, "it was restarted"


@BOTH
async def test_the_message_that_failed_is_not_handled_again_and_the_others_are(kind: type[Sync]) -> None:
    seen: list[int] = []
    async with System() as system:
        ref = system.spawn(partial(kind, seen))
        ref.tell(Note(1))
        ref.ask(Fail())
        ref.tell(Note(2))
        assert await ref.ask(Get(3)) == 3

        assert seen == [1, 2, 3]
        assert system.stats().failures == 1


@pytest.mark.virtual
async def test_a_timeout_does_not_cancel_the_handler_and_says_that_it_may_have_run(virtual_host: VirtualHost) -> None:
    seen: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, seen))
        with pytest.raises(AskTimeout, match="it may have run") as caught:
            await ref.ask(Sleep(3.0), timeout_s=1.0)
        at = virtual_host.clock.monotonic()
        await asyncio.sleep(3)

    assert caught.value.outcome is Outcome.UNKNOWN
    assert 1.0 <= at <= 1.03
    assert seen == ["begin 3.0", "end 3.0"]


@pytest.mark.virtual
async def test_the_default_timeout_is_the_systems(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, []))
        with pytest.raises(AskTimeout):
            await ref.ask(Sleep(60.0))

        assert 5.0 <= virtual_host.clock.monotonic() <= 5.03


@pytest.mark.virtual
async def test_an_ask_that_expired_in_the_mailbox_is_not_handled(virtual_host: VirtualHost) -> None:
    seen: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, seen))
        ref.ask(Sleep(2.0))
        with pytest.raises(AskTimeout):
            await ref.ask(Sleep(0.5), timeout_s=1.0)
        await asyncio.sleep(4)
        stats = system.stats()

    assert seen == ["begin 2.0", "end 2.0"]
    assert stats.dead_letters == {"expired": 1}
    assert stats.handled == 1


@pytest.mark.virtual
async def test_an_ask_whose_asker_was_cancelled_is_not_handled(virtual_host: VirtualHost) -> None:
    seen: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, seen))
        ref.ask(Sleep(1.0))
        asker = asyncio.ensure_future(ref.ask(Sleep(0.5)))
        await asyncio.sleep(0.1)
        asker.cancel()
        await asyncio.sleep(5)

    assert seen == ["begin 1.0", "end 1.0"]


@pytest.mark.virtual
@pytest.mark.parametrize("timeout_s", [0.0, -1.0])
async def test_an_ask_without_time_ends_soon(virtual_host: VirtualHost, timeout_s: float) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, []))
        with pytest.raises(AskTimeout):
            await ref.ask(Sleep(9.0), timeout_s=timeout_s)

        assert virtual_host.clock.monotonic() <= 0.05


@pytest.mark.virtual
async def test_an_ask_may_wait_for_ever_but_not_for_no_number(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, []))
        assert await ref.ask(Sleep(100.0), timeout_s=float("inf")) == "slept 100.0"
        with pytest.raises(ValueError, match="number of seconds"):
            ref.ask(Sleep(1.0), timeout_s=float("nan"))


@pytest.mark.virtual
async def test_an_ask_within_an_ask_never_outlives_it(virtual_host: VirtualHost) -> None:
    ended_at: list[float] = []

    class Outer(Actor[Get]):
        def __init__(self, inner: Ref[Sleep]) -> None:
            self.inner = inner

        async def receive(self, msg: Get) -> int:
            assert self.context.deadline == pytest.approx(1.0)
            with pytest.raises(AskTimeout):
                await self.inner.ask(Sleep(60.0), timeout_s=30.0)
            ended_at.append(self.context.clock.monotonic())
            return 0

    async with System(host=virtual_host) as system:
        inner = system.spawn(partial(Sleeper, []))
        with pytest.raises(AskTimeout):
            await system.spawn(partial(Outer, inner)).ask(Get(0), timeout_s=1.0)
        await asyncio.sleep(0.1)

    assert ended_at == [pytest.approx(1.0, abs=0.03)]


@pytest.mark.virtual
async def test_a_background_task_does_not_inherit_the_deadline_of_the_handler_that_began_it(
    virtual_host: VirtualHost,
) -> None:
    replies: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    class Outer(Actor[Get]):
        def __init__(self, inner: Ref[Sleep]) -> None:
            self.inner = inner

        def receive(self, msg: Get) -> int:
            tasks.append(asyncio.ensure_future(self.work()))
            return 1

        async def work(self) -> None:
            await asyncio.sleep(2)
            replies.append(await self.inner.ask(Sleep(3.0)))

    async with System(host=virtual_host) as system:
        inner = system.spawn(partial(Sleeper, []))
        await system.spawn(partial(Outer, inner)).ask(Get(0), timeout_s=1.0)
        await asyncio.gather(*tasks)

    assert replies == ["slept 3.0"]


@pytest.mark.virtual
async def test_a_told_handler_has_no_deadline_even_after_an_ask(virtual_host: VirtualHost) -> None:
    deadlines: list[float | None] = []

    class Looks(Actor[Note | Get]):
        def receive(self, msg: Note | Get) -> int:
            deadlines.append(self.context.deadline)
            return 0

    async with System(host=virtual_host) as system:
        ref = system.spawn(Looks)
        await ref.ask(Get(1), timeout_s=2.0)
        ref.tell(Note(1))
        await asyncio.sleep(0.1)

    assert deadlines == [pytest.approx(2.0), None]


async def test_an_ask_of_a_stopped_actor_fails_at_once_and_definitely() -> None:
    async with System() as system:
        ref = system.spawn(partial(Sync, []), name="gone")
        await system.stop(ref)
        with pytest.raises(ActorStopped, match="'gone'") as caught:
            await ref.ask(Get(1))
        with pytest.raises(ActorNotFound):
            await system.at(Address("local", "gone")).ask(Get(1))

        assert caught.value.outcome is Outcome.DEFINITE


async def test_a_full_mailbox_refuses_asks_by_name_and_makes_dead_letters_of_tells() -> None:
    async with System() as system:
        ref = system.spawn(partial(Sync, []), name="small", capacity=2)
        for at in range(3):
            ref.tell(Note(at))
        with pytest.raises(
            MailboxFullError, match=r"'small' is full \(2 of 2, overflow='fail'\).*see capacity= and overflow= of spawn"
        ):
            await ref.ask(Get(9))

        assert system.stats().dead_letters == {"mailbox_full": 1}
        await until(lambda: system.stats().waiting == 0)
        assert await ref.ask(Get(9)) == 9


async def test_abandoned_asks_warn_nobody() -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    async with System() as system:
        ref = system.spawn(partial(Sync, []), capacity=1)
        ref.ask(Fail())
        ref.ask(Get(1))  # refused: full
        await until(lambda: system.restarts == 1)
        await system.stop(ref)
        ref.ask(Get(1))
        ref.offer(Note(1))
    gc.collect()
    await asyncio.sleep(0)

    assert unhandled == []


@pytest.mark.virtual
async def test_asks_that_nobody_answered_end_with_the_system(virtual_host: VirtualHost) -> None:
    kept: list[Later[int]] = []

    class Forgetful(Actor[Get]):
        def receive(self, msg: Get) -> None:
            kept.append(self.context.reply_later(msg))

    async with System(host=virtual_host) as system:
        ref = system.spawn(Forgetful)
        ask = ref.ask(Get(1), timeout_s=1000.0)
        await asyncio.sleep(0.1)

    with pytest.raises(AskTimeout, match="before this system stopped") as caught:
        await ask
    assert caught.value.outcome is Outcome.UNKNOWN


@BOTH
async def test_telling_what_is_no_message_is_an_error_at_the_call(kind: type[Sync]) -> None:
    async with System() as system:
        ref: Ref[Any] = system.spawn(partial(kind, []))
        for send in (ref.tell, ref.ask, ref.offer):
            with pytest.raises(TypeError, match="str is not a message: decorate the class with @message"):
                send("text")  # type: ignore[arg-type, unused-ignore]


async def test_an_actor_may_tell_itself_and_others_from_its_handler() -> None:
    seen: list[int] = []

    class Chain(Actor[Note]):
        def receive(self, msg: Note) -> None:
            seen.append(msg.number)
            if msg.number:
                self.context.self_ref.tell(Note(msg.number - 1))

    async with System() as system:
        system.spawn(Chain).tell(Note(300))
        await until(lambda: len(seen) == 301)

    assert seen == list(range(300, -1, -1))


# --- offers ---------------------------------------------------------------------------------------------------------


@pytest.mark.virtual
async def test_offers_wait_for_room_and_come_in_order(virtual_host: VirtualHost) -> None:
    seen: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, seen), capacity=1)
        ref.tell(Sleep(1.0))
        await asyncio.sleep(0.1)
        offers = [ref.offer(Note(at)) for at in range(3)]
        await asyncio.sleep(0.1)
        assert [offer.done() for offer in offers] == [True, False, False]
        offers[1].cancel()
        await offers[2]
        await asyncio.sleep(0.1)

    assert seen == ["begin 1.0", "end 1.0", "note 0", "note 2"]


@pytest.mark.virtual
async def test_an_offer_that_waits_when_the_actor_stops_fails(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Sleeper, []), capacity=1)
        ref.tell(Sleep(1.0))
        await asyncio.sleep(0.1)
        ref.tell(Note(1))
        waiting = ref.offer(Note(2))
        system.stop(ref)
        with pytest.raises(ActorStopped):
            await waiting
        with pytest.raises(ActorStopped):
            await ref.offer(Note(3))
        assert system.stats().dead_letters == {"stopped": 1}
