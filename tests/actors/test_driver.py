"""The driver with a small fake algorithm: batches, gated sends, ends of lives, and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from coterie.actors.driver import GRACE_S, STALL_S, Driver, Tick
from coterie.errors import ActorStopped, InvariantViolated
from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Send, Token
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="test.driver.Poke")
class Poke:
    number: int


@message(name="test.driver.Wait")
class Wait(Ask[str]):
    number: int


@message(name="test.driver.Break")
class Break:
    pass


@dataclass(frozen=True)
class Own:
    """An effect of the fake's own, answered by the event `answer`."""

    name: str
    answer: object = None


class Fake:
    """Answers each event by what `script` says; remembers everything."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.script: dict[Any, Sequence[Any]] = {}
        self.moves: dict[Any, float] = {}  # event -> how far ahead it sets the deadline
        self.ticks: list[float] = []
        self.period_s: float | None = None
        self.deadline: float | None = None

    def handle(self, events: Sequence[Any], *, now: float) -> Sequence[Any]:
        self.batches.append(list(events))
        effects: list[Any] = []
        for event in events:
            if event in self.moves:
                self.deadline = now + self.moves[event]
            effects += self.script.get(event, ())
            if event == "violate":
                raise InvariantViolated("told to")
        return effects

    def tick(self, *, now: float) -> Sequence[Any]:
        self.ticks.append(now)
        self.deadline = None if self.period_s is None else now + self.period_s
        return self.script.get("tick", ())


class Stage:
    """What the fake's actor did, and the writes whose durability the test decides."""

    def __init__(self) -> None:
        self.fake = Fake()
        self.lives: list[Player] = []
        self.done: list[str] = []
        self.writes: list[Callable[[], None]] = []
        self.awaits_disk = True

    @property
    def driver(self) -> Driver[Any, Any]:
        return self.lives[-1].driver


class Player(Actor[Poke | Wait | Break | Tick]):
    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.laters: list[Later[str]] = []

    def on_start(self) -> None:
        self.stage.lives.append(self)
        self.driver: Driver[Any, Any] = Driver(
            self.stage.fake, self.context, self, awaits_disk=lambda: self.stage.awaits_disk
        )

    def on_stop(self) -> None:
        self.driver.close()
        for later in self.laters:
            later.reply("stopped")

    def receive(self, msg: Poke | Wait | Break | Tick, /) -> None:
        match msg:
            case Poke(number):
                self.driver.feed(number)
            case Wait(number):
                self.laters.append(self.context.reply_later(msg))
                self.driver.feed(number)
            case Break():
                raise RuntimeError("told to")
            case Tick():
                self.driver.ticked()

    def on_visit_end(self) -> None:
        self.driver.flush()

    def persist(self, write: Any, done: Callable[[], None]) -> None:
        self.stage.done.append(f"persist {write}")
        self.stage.writes.append(done)

    def send(self, to: str, message: Any) -> None:
        self.stage.done.append(f"send {message} to {to}")

    def perform(self, effect: Own) -> object:
        self.stage.done.append(effect.name)
        return effect.answer

    def observed(self, event: str, facts: Any) -> None:
        self.stage.done.append(event)


def persist(token: int) -> Persist[str]:
    return Persist(Token(token), f"w{token}")


def send(text: str, after: int | None = None) -> Send[str]:
    return Send(NodeId("peer"), text, None if after is None else Token(after))


@pytest.fixture
async def host(virtual_host: VirtualHost) -> VirtualHost:
    return virtual_host


@pytest.fixture
async def system(host: VirtualHost) -> AsyncIterator[System]:
    async with System(host=host) as running:
        yield running


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def player(system: System, stage: Stage) -> Ref[Poke | Wait | Break]:
    ref = system.spawn(lambda: Player(stage), name="player")
    await settle()
    return ref


async def settle() -> None:
    """Let everything that is ready happen, without letting time pass."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_mail_of_one_visit_is_one_batch_in_order(player: Ref[Poke], stage: Stage) -> None:
    for number in range(5):
        player.tell(Poke(number))

    await settle()

    assert stage.fake.batches == [[0, 1, 2, 3, 4]]
    assert (stage.driver.stats.batches, stage.driver.stats.events) == (1, 5)


async def test_a_lone_message_waits_for_nothing(player: Ref[Poke], stage: Stage, host: VirtualHost) -> None:
    before = host.clock.monotonic()
    player.tell(Poke(1))

    await settle()

    assert stage.fake.batches == [[1]]
    assert host.clock.monotonic() == before


async def test_effects_of_all_kinds_are_carried_out_in_order(player: Ref[Poke], stage: Stage) -> None:
    stage.fake.script[1] = [Observe("a.happened"), persist(1), Own("own"), send("free"), Observe("b.happened")]

    player.tell(Poke(1))
    await settle()

    assert stage.done == ["a.happened", "persist w1", "own", "send free to peer", "b.happened"]


async def test_a_gated_send_leaves_only_after_its_write(player: Ref[Poke], stage: Stage) -> None:
    stage.fake.script[1] = [persist(1), send("gated", after=1), send("free")]

    player.tell(Poke(1))
    await settle()
    before = list(stage.done)
    stage.writes[0]()
    await settle()

    assert before == ["persist w1", "send free to peer"]
    assert stage.done[2:] == ["send gated to peer"]
    assert stage.fake.batches[1:] == [[Persisted(Token(1))]]


async def test_gated_sends_leave_in_order_and_before_the_algorithm_hears_of_the_write(
    player: Ref[Poke], stage: Stage
) -> None:
    stage.fake.script[1] = [persist(1), send("one", after=1), persist(2), send("two", after=2), send("ein", after=1)]
    stage.fake.script[Persisted(Token(1))] = [send("heard")]
    player.tell(Poke(1))
    await settle()

    stage.writes[0]()
    stage.writes[1]()
    await settle()

    sends = [done for done in stage.done if done.startswith("send")]
    assert sends == ["send one to peer", "send ein to peer", "send heard to peer", "send two to peer"]


async def test_a_gated_send_leaves_before_the_actor_is_visited(
    player: Ref[Poke], stage: Stage, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.fake.script[1] = [persist(1), send("gated", after=1)]
    stage.fake.script[Persisted(Token(1))] = [Observe("visited")]
    player.tell(Poke(1))
    await settle()
    begin, end = system.run_queue._begin, system.run_queue._end
    system.run_queue.set_turn_hooks(begin or (lambda: None), lambda: stage.done.append("written"))

    stage.writes[0]()
    done = list(stage.done)
    system.run_queue.set_turn_hooks(begin or (lambda: None), end or (lambda: None))

    assert done[1:] == ["send gated to peer", "written", "visited", "written"]


async def test_a_write_that_decides_nothing_comes_with_the_next_event_or_tick(player: Ref[Poke], stage: Stage) -> None:
    stage.fake.script.update({1: [persist(1), send("gated", after=1)], 2: [persist(2)]})
    stage.fake.moves[2] = 0.25
    stage.awaits_disk = False
    player.tell(Poke(1))
    await settle()

    stage.writes[0]()
    await settle()
    assert stage.done[1:] == ["send gated to peer"]  # whoever waits for the write has it at once
    assert stage.fake.batches == [[1]]

    player.tell(Poke(2))
    await settle()
    stage.writes[1]()
    await settle()
    assert stage.fake.batches[1:] == [[Persisted(Token(1)), 2]]

    await asyncio.sleep(1)
    assert stage.fake.batches[2:] == [[Persisted(Token(2))]]


async def test_an_answer_of_perform_is_fed_back_before_the_flush_ends(player: Ref[Poke], stage: Stage) -> None:
    stage.fake.script[1] = [Own("apply", answer="applied"), Observe("first.done")]
    stage.fake.script["applied"] = [Own("apply again", answer="over")]

    player.tell(Poke(1))
    await settle()

    assert stage.fake.batches == [[1], ["applied"], ["over"]]
    assert stage.done == ["apply", "first.done", "apply again"]


async def test_a_durability_answer_of_an_earlier_life_is_dropped(player: Ref[Poke | Break], stage: Stage) -> None:
    stage.fake.script[1] = [persist(1), send("promise", after=1)]
    player.tell(Poke(1))
    await settle()
    player.tell(Break())
    await asyncio.sleep(1)
    earlier, stage.fake.batches = stage.writes[0], []

    earlier()
    await settle()

    assert len(stage.lives) == 2
    assert stage.fake.batches == []
    assert "send promise to peer" not in stage.done


async def test_tokens_begin_anew_with_each_life(player: Ref[Poke | Break], stage: Stage) -> None:
    stage.fake.script[1] = [persist(1), send("promise", after=1)]
    player.tell(Poke(1))
    await settle()
    player.tell(Break())
    await asyncio.sleep(1)
    player.tell(Poke(1))
    await settle()

    stage.writes[0]()  # of the earlier life
    await settle()
    before = stage.done.count("send promise to peer")
    stage.writes[1]()
    await settle()

    assert before == 0
    assert stage.done.count("send promise to peer") == 1


async def test_wake_with_after_close_is_dropped(player: Ref[Poke], stage: Stage, system: System) -> None:
    driver = stage.driver
    await system.stop(player)

    driver.wake_with("late")
    await settle()

    assert stage.fake.batches == []
    assert driver._batch == []


async def test_wake_with_brings_a_visit_without_mail(player: Ref[Poke], stage: Stage) -> None:
    stage.driver.wake_with("loaded")

    await settle()

    assert stage.fake.batches == [["loaded"]]


async def test_a_tick_comes_at_the_deadline(player: Ref[Poke], stage: Stage, host: VirtualHost) -> None:
    stage.fake.moves[1] = 0.25
    begun = host.clock.monotonic()
    player.tell(Poke(1))

    await asyncio.sleep(1)

    assert stage.fake.ticks == [begun + 0.25]


async def test_a_periodic_deadline_is_kept(player: Ref[Poke], stage: Stage) -> None:
    stage.fake.moves[1], stage.fake.period_s = 0.1, 0.1
    player.tell(Poke(1))

    await asyncio.sleep(1.05)

    assert len(stage.fake.ticks) == 10


async def test_the_timer_is_set_anew_only_when_the_deadline_moves_earlier(
    player: Ref[Poke], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_for: list[float] = []
    context = stage.lives[-1].context
    original = type(context).after

    def counted(self: Any, delay_s: float, item: object) -> Any:
        set_for.append(round(delay_s, 6))
        return original(self, delay_s, item)

    monkeypatch.setattr(type(context), "after", counted)
    stage.fake.moves = {1: 1.0, 2: 2.0, 3: 0.5}

    for number in (1, 2, 3):
        player.tell(Poke(number))
        await settle()

    assert set_for == [1.0, 0.5]


async def test_a_timer_that_comes_early_looks_again(player: Ref[Poke], stage: Stage, host: VirtualHost) -> None:
    stage.fake.moves = {1: 1.0, 2: 2.0}
    begun = host.clock.monotonic()
    player.tell(Poke(1))
    await settle()
    player.tell(Poke(2))

    await asyncio.sleep(5)

    assert stage.fake.ticks == [begun + 2.0]


async def test_after_a_stall_what_has_arrived_is_handled_before_the_tick(
    player: Ref[Poke], stage: Stage, host: VirtualHost
) -> None:
    stage.fake.moves = {1: 0.3, 2: 0.3}
    player.tell(Poke(1))
    await settle()

    for _ in range(3):  # every stall gets its wait, not only the first
        _stall(host, 5.0)
        asyncio.get_running_loop().call_later(GRACE_S / 2, player.tell, Poke(2))  # the sockets are read after timers
        await asyncio.sleep(0.2)

    assert stage.fake.ticks == []


async def test_after_a_stall_without_news_the_tick_comes_all_the_same(
    player: Ref[Poke], stage: Stage, host: VirtualHost
) -> None:
    stage.fake.moves[1] = 0.3
    player.tell(Poke(1))
    await settle()

    _stall(host, 5.0)
    ended = host.clock.monotonic()
    await asyncio.sleep(1)

    assert [tick - ended for tick in stage.fake.ticks] == [pytest.approx(GRACE_S)]


async def test_mail_during_the_wait_after_a_stall_does_not_cut_it_short(
    player: Ref[Poke], stage: Stage, host: VirtualHost
) -> None:
    stage.fake.moves[1] = 0.3
    player.tell(Poke(1))
    await settle()

    _stall(host, 5.0)
    ended = host.clock.monotonic()
    loop = asyncio.get_running_loop()
    loop.call_later(GRACE_S / 4, player.tell, Poke(7))
    await asyncio.sleep(1)

    assert stage.fake.ticks[0] - ended == pytest.approx(GRACE_S)


async def test_a_tick_that_is_hardly_late_does_not_wait(player: Ref[Poke], stage: Stage, host: VirtualHost) -> None:
    stage.fake.moves[1] = 0.3
    player.tell(Poke(1))
    await settle()

    _stall(host, 0.3 + STALL_S / 2)
    ended = host.clock.monotonic()
    await asyncio.sleep(1)

    assert stage.fake.ticks == [ended]


async def test_a_busy_mailbox_does_not_starve_ticks(player: Ref[Poke], stage: Stage, host: VirtualHost) -> None:
    stage.fake.moves[1], stage.fake.period_s = 0.1, 0.1
    player.tell(Poke(1))
    end = host.clock.monotonic() + 1.0

    while host.clock.monotonic() < end:
        for _ in range(100):
            player.tell(Poke(2))
        await asyncio.sleep(0.0005)

    assert len(stage.fake.ticks) >= 9


async def test_a_tick_from_elsewhere_leaves_one_timer(player: Ref[Any], stage: Stage) -> None:
    stage.fake.moves[1] = 1.0
    player.tell(Poke(1))
    await settle()

    for _ in range(10):
        player.tell(Tick())
        await settle()

    assert len(stage.lives[-1].context._cell.relations.timers) == 1


async def test_a_violated_invariant_ends_the_actor_for_good_and_answers_who_waits(
    player: Ref[Poke | Wait], stage: Stage, system: System
) -> None:
    waiting = player.ask(Wait(1))
    await settle()
    stage.driver.wake_with("violate")
    behind = player.ask(Wait(2))
    await settle()

    assert await waiting == "stopped"
    with pytest.raises(ActorStopped):
        await player.ask(Wait(3))
    assert behind.done()
    assert (len(stage.lives), system.restarts, system.failures) == (1, 0, 1)


async def test_the_timer_dies_with_the_life(player: Ref[Poke], stage: Stage, system: System) -> None:
    stage.fake.moves[1] = 0.1
    player.tell(Poke(1))
    await settle()
    await system.stop(player)

    await asyncio.sleep(1)

    assert stage.fake.ticks == []


def _stall(host: VirtualHost, seconds: float) -> None:
    """Stand still, as a process that is stopped or collects garbage does."""
    host.clock.advance_to(host.clock.monotonic() + seconds)
