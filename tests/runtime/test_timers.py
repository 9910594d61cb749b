"""Timers: one pending tick each, and none outlives its instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from coterie.errors import MessageTypeError
from coterie.runtime.actor import Actor, Timer
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="timers.Tick")
class Tick:
    name: str = ""


@message(name="timers.Do")
class Do:
    what: str


@message(name="timers.Vote", lane=Lane.CONSENSUS)
class Vote:
    pass


class Clockwork(Actor[Tick | Do | Vote]):
    """Notes (time, message) of what it handles; `work` says what else."""

    def __init__(self, seen: list[tuple[float, str]], work: Callable[[Clockwork, str], object] | None = None) -> None:
        self.seen = seen
        self.work = work
        self.timers: list[Timer] = []

    async def receive(self, msg: Tick | Do | Vote) -> None:
        what = f"tick {msg.name}" if isinstance(msg, Tick) else msg.what if isinstance(msg, Do) else "vote"
        self.seen.append((round(self.context.clock.monotonic(), 3), what))
        if what.startswith("sleep"):
            await asyncio.sleep(float(what.split()[1]))
        elif what == "fail":
            raise RuntimeError(what)
        elif self.work is not None:
            self.work(self, what)


def starts(name: str, *, after: float = 0, every: float = 0) -> Callable[[Clockwork, str], object]:
    def work(actor: Clockwork, what: str) -> None:
        if what == "start":
            context = actor.context
            timer = context.after(after, Tick(name)) if after else context.every(every, Tick(name))
            actor.timers.append(timer)
        elif what == "cancel":
            actor.timers[-1].cancel()
            actor.timers[-1].cancel()

    return work


async def test_after_comes_once_and_every_comes_again(virtual_host: VirtualHost) -> None:
    once: list[tuple[float, str]] = []
    again: list[tuple[float, str]] = []
    async with System(host=virtual_host) as system:
        system.spawn(partial(Clockwork, once, starts("a", after=1))).tell(Do("start"))
        system.spawn(partial(Clockwork, again, starts("b", every=1))).tell(Do("start"))
        await asyncio.sleep(3.5)

    assert once == [(0, "start"), (1, "tick a")]
    assert again == [(0, "start"), (1, "tick b"), (2, "tick b"), (3, "tick b")]


async def test_ticks_do_not_pile_up_behind_a_slow_message(virtual_host: VirtualHost) -> None:
    seen: list[tuple[float, str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Clockwork, seen, starts("t", every=1)))
        ref.tell(Do("start"))
        ref.tell(Do("sleep 5.5"))
        await asyncio.sleep(7.2)

    assert [moment for moment, what in seen if what == "tick t"] == [5.5, 6, 7]


async def test_cancel_drops_a_tick_that_waits_already(virtual_host: VirtualHost) -> None:
    seen: list[tuple[float, str]] = []
    actors: list[Clockwork] = []

    def make() -> Clockwork:
        actors.append(Clockwork(seen, starts("t", after=1)))
        return actors[-1]

    async with System(host=virtual_host) as system:
        ref = system.spawn(make)
        ref.tell(Do("start"))
        ref.tell(Do("sleep 3"))
        await asyncio.sleep(2)  # the tick waits in the mailbox now
        actors[0].timers[0].cancel()
        actors[0].timers[0].cancel()
        await asyncio.sleep(5)

    assert seen == [(0, "start"), (0, "sleep 3")]


async def test_control_goes_before_consensus_and_consensus_before_bulk(virtual_host: VirtualHost) -> None:
    seen: list[tuple[float, str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Clockwork, seen, starts("t", after=1)))
        ref.tell(Do("start"))
        ref.tell(Do("sleep 2"))
        await asyncio.sleep(1.5)
        ref.tell(Do("bulk"))
        ref.tell(Vote())
        await asyncio.sleep(1)

    assert [what for _, what in seen] == ["start", "sleep 2", "tick t", "vote", "bulk"]


@pytest.mark.parametrize("options", [{"after": 1.0}, {"every": 1.0}])
async def test_timers_die_with_the_instance_even_if_a_tick_waits(
    virtual_host: VirtualHost, options: dict[str, float]
) -> None:
    seen: list[tuple[float, str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Clockwork, seen, starts("t", **options)))
        ref.tell(Do("start"))
        ref.tell(Do("sleep 0.5"))
        await asyncio.sleep(0.6)
        ref.tell(Do("fail"))  # before the tick is due
        await asyncio.sleep(5)
        ref.tell(Do("start"))
        await asyncio.sleep(0)
        ref.tell(Do("sleep 2"))
        await asyncio.sleep(1.5)  # the tick waits in the mailbox now
        cell = system.registry.cell_at(ref.path)
        assert cell is not None
        cell.life_cycle.supervise(RuntimeError("a failure while the tick waits"))
        await asyncio.sleep(5)

        assert system.restarts >= 2
        assert not cell.relations.timers
    assert "tick t" not in [what for _, what in seen]


async def test_a_stopped_actor_leaves_no_timer(virtual_host: VirtualHost) -> None:
    class Leaver(Clockwork):
        def on_stop(self) -> None:
            self.timers.append(self.context.every(1, Tick("from on_stop")))

    actors: list[Leaver] = []

    def make() -> Leaver:
        actors.append(Leaver([], starts("t", every=1)))
        return actors[-1]

    async with System(host=virtual_host) as system:
        ref = system.spawn(make)
        ref.tell(Do("start"))
        await asyncio.sleep(0.5)
        await system.stop(ref)
        late = actors[0].context.every(1, Tick("too late"))

        assert [timer.is_cancelled for timer in [*actors[0].timers, late]] == [True, True, True]


async def test_an_interval_that_makes_no_sense_and_a_tick_that_is_no_message_are_refused(
    virtual_host: VirtualHost,
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Clockwork, []))
        context = ref.delivery.actor.context  # type: ignore[attr-defined]
        for interval_s in (0, -1, float("nan")):
            with pytest.raises(ValueError, match="interval_s"):
                context.every(interval_s, Tick())
        with pytest.raises(MessageTypeError, match="NoneType is not a message"):
            context.after(1, None)


async def test_a_timer_does_not_starve_behind_ten_thousand_busy_actors(virtual_host: VirtualHost) -> None:
    seen: list[tuple[float, str]] = []

    class Busy(Actor[Tick]):
        def receive(self, msg: Tick) -> None:
            # Each message takes a little of the host's time, or no slice would ever be over.
            clock.advance_to(clock.monotonic() + 0.00001)
            self.context.self_ref.tell(msg)

    clock = virtual_host.clock
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Clockwork, seen, starts("t", after=0.01)))
        ref.tell(Do("start"))
        busy = [system.spawn(Busy) for _ in range(10_000)]
        for each in busy:
            each.tell(Tick())
        while len(seen) < 2:  # noqa: ASYNC110 (whether time passes is the question)
            await asyncio.sleep(0.001)
        at_tick = clock.monotonic()
        for each in busy:
            system.stop(each)

    assert at_tick < 0.02, "ten thousand visits of 64 messages would have taken 6 s"
