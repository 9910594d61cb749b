"""A balancer actor passes on everything, and changes nothing: deadlines, replies, errors, chains."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from coterie.actors.pools.balancer_actor import BalancerActor
from coterie.actors.pools.loads.load_messages import ProbeLoad
from coterie.actors.pools.pool import Pool
from coterie.errors import ActorFailed, AskTimeout, CoterieError, NoTargets, OutboundFull, Outcome
from coterie.protocols.balancing import LoadReport, RoundRobin
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.testing import Systems, advance

pytestmark = pytest.mark.virtual


class Refused(ValueError):
    pass


@message(name="test.balancer.Who", raises=(Refused,))
class Who(Ask[str]):
    sleep_s: float = 0.0
    fails: str = ""


@message(name="test.balancer.Note")
class Note:
    number: int


class Worker(Actor[Who | Note]):
    def __init__(self) -> None:
        self.notes: list[int] = []

    async def receive(self, msg: Who | Note, /) -> str | None:
        if isinstance(msg, Note):
            NOTES[self.context.self_ref.path] += 1
            return None
        await asyncio.sleep(msg.sleep_s)
        if msg.fails == "declared":
            raise Refused("no")
        if msg.fails:
            raise RuntimeError(msg.fails)
        return f"{self.context.system.node}/{self.context.self_ref.path}"


NOTES: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def no_notes() -> None:
    NOTES.clear()


def balancer(*refs: Ref[Any], **options: Any) -> partial[BalancerActor[Any]]:
    return partial(BalancerActor, RoundRobin(), refs, **options)


def spawn_workers(system: System, count: int) -> list[Ref[Any]]:
    return [system.spawn(Worker, name=f"w{number}") for number in range(1, count + 1)]


async def test_asks_and_tells_are_shared_by_the_targets() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        front = system.spawn(balancer(*spawn_workers(system, 3)))

        answers = Counter([await front.ask(Who()) for _ in range(9)])
        for number in range(6):
            front.tell(Note(number))
        await advance(0.1)

        assert answers == {"local/w1": 3, "local/w2": 3, "local/w3": 3}
        assert NOTES == {"w1": 2, "w2": 2, "w3": 2}


async def test_a_slow_target_does_not_hold_up_the_other_messages() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        front = system.spawn(balancer(*spawn_workers(system, 2)))
        slow = front.ask(Who(sleep_s=3.0))

        await asyncio.wait_for(front.ask(Who()), 0.5)

        assert not slow.done()
        await slow


async def test_it_works_between_nodes_for_the_messages_of_its_local_targets() -> None:
    async with Systems("n1", "n2", "n3") as systems:
        near = spawn_workers(systems["n2"], 1)
        spawn_workers(systems["n3"], 1)
        systems["n2"].spawn(balancer(*near, systems["n2"].at(Address("n3", "w1"))), name="front")

        front = systems["n1"].at(Address("n2", "front"))
        answers = {await front.ask(Who()) for _ in range(4)}

        assert answers == {"n2/w1", "n3/w1"}


async def test_a_balancer_of_balancers_reaches_every_target() -> None:
    async with Systems("n1", "n2", "n3") as systems:
        for node in ("n2", "n3"):
            systems[node].spawn(balancer(*spawn_workers(systems[node], 2)), name="inner")
        inner = [systems["n1"].at(Address(node, "inner")) for node in ("n2", "n3")]
        outer = systems["n1"].spawn(balancer(*inner))

        answers = Counter([await outer.ask(Who()) for _ in range(8)])

        assert answers == {f"{node}/w{number}": 2 for node in ("n2", "n3") for number in (1, 2)}


@pytest.mark.parametrize("hops", [1, 2])
async def test_errors_come_back_as_they_were(hops: int) -> None:
    async with Systems("n1", "n2") as systems:
        ref = systems["n2"].spawn(Worker, name="w")
        for hop in range(hops):
            ref = systems["n2"].spawn(balancer(ref, messages=(Who, Note)), name=f"b{hop}")
        front = systems["n1"].at(ref.address)

        with pytest.raises(Refused, match="no"):
            await front.ask(Who(fails="declared"))
        with pytest.raises(ActorFailed, match="actor 'w' failed on Who: RuntimeError: oops"):
            await front.ask(Who(fails="oops"))
        with pytest.raises(AskTimeout):
            await front.ask(Who(sleep_s=9.0), timeout_s=0.5)


async def test_without_targets_an_ask_fails_at_once_and_definitely_on_the_other_node_too() -> None:
    async with Systems("n1", "n2") as systems:
        systems["n2"].spawn(balancer(messages=(Who,)), name="front")

        with pytest.raises(NoTargets, match="has no target to ask") as caught:
            await systems["n1"].at(Address("n2", "front")).ask(Who())

        assert caught.value.outcome is Outcome.DEFINITE
        assert asyncio.get_running_loop().time() < 1.0


async def test_a_target_on_a_lost_node_is_left_out_and_comes_back() -> None:
    async with Systems("n1", "n2", "n3") as systems:
        for node in ("n2", "n3"):
            spawn_workers(systems[node], 1)
        refs = [systems["n1"].at(Address(node, "w1")) for node in ("n2", "n3")]
        front = systems["n1"].spawn(balancer(*refs))
        await systems.kill("n2")
        await advance(1.0)
        without = {await front.ask(Who()) for _ in range(4)}
        await systems.start("n2")
        spawn_workers(systems["n2"], 1)
        await systems.linked()

        again = {await front.ask(Who()) for _ in range(4)}

        assert without == {"n3/w1"}
        assert again == {"n2/w1", "n3/w1"}


async def test_a_target_that_has_stopped_is_left_out_for_good() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        workers = spawn_workers(system, 2)
        front = system.spawn(balancer(*workers))
        await system.stop(workers[0])

        assert {await front.ask(Who()) for _ in range(4)} == {"local/w2"}


async def test_an_ask_that_leads_back_through_a_balancer_is_refused_at_once() -> None:
    class Circular(Actor[Who]):
        async def receive(self, msg: Who, /) -> str:
            ref: Ref[Who] = self.context.system.at(Address("local", "front"))
            return await ref.ask(msg)

    async with Systems("local") as systems:
        system = systems["local"]
        circular = system.spawn(Circular, name="circular")
        system.spawn(balancer(circular), name="front")

        with pytest.raises(ActorFailed, match=r"AskCycle: .*: circular@local → front@local → circular@local"):
            await circular.ask(Who(), timeout_s=30.0)


async def test_a_worker_may_ask_the_balancer_that_it_was_asked_by() -> None:
    class Dividing(Actor[Who]):
        async def receive(self, msg: Who, /) -> str:
            if not msg.sleep_s:
                return "leaf"
            ref: Ref[Who] = self.context.system.at(Address("local", "front"))
            return "inner " + await ref.ask(Who())

    async with Systems("local") as systems:
        system = systems["local"]
        system.spawn(balancer(*(system.spawn(Dividing) for _ in range(2))), name="front")

        assert await system.at(Address("local", "front")).ask(Who(sleep_s=1.0)) == "inner leaf"


async def test_a_probe_gets_the_load_of_the_balancer() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        front = system.spawn(balancer(*spawn_workers(system, 2)), name="front")
        slow = [front.ask(Who(sleep_s=1.0)) for _ in range(3)]
        await advance(0.1)

        load = await front.ask(ProbeLoad("front"))

        assert isinstance(load, LoadReport)
        assert load.in_flight == 3
        await asyncio.gather(*slow)
        assert (await front.ask(ProbeLoad("front"))).in_flight == 0


async def test_a_restarted_balancer_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("told to")

    monkeypatch.setattr(BalancerActor, "_load", fail)
    async with Systems("local") as systems:
        system = systems["local"]
        front = system.spawn(balancer(*spawn_workers(system, 2)), name="front")
        front.tell(ProbeLoad("front"))
        await advance(2.0)

        assert system.restarts == 1
        assert {await front.ask(Who()) for _ in range(4)} == {"local/w1", "local/w2"}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (lambda msg: msg.customer, "AttributeError: 'Who' object has no attribute 'customer'"),
        (lambda _: 5, "TypeError: it returned 5, which is no str, bytes or None"),
    ],
)
async def test_a_message_whose_key_cannot_be_made_fails_alone(key: Any, reason: str) -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        front = system.spawn(
            balancer(*spawn_workers(system, 2), key_of=lambda msg: key(msg) if msg == Who(fails="key") else None),
            name="front",
        )
        slow = front.ask(Who(sleep_s=3.0))
        await advance(0.1)

        with pytest.raises(ActorFailed, match=f"balancer 'front': key_of failed on Who: {reason}"):
            await front.ask(Who(fails="key"))
        front.tell(Who(fails="key"))
        await advance(0.1)

        assert system.dead_letters.counts[Reason.BAD_MESSAGE] == 1
        assert reason in system.dead_letters.latest[0].detail
        assert await slow in ("local/w1", "local/w2")
        assert system.failures == 0


@pytest.mark.parametrize(
    ("policy", "targets", "error", "text"),
    [
        (RoundRobin, (), TypeError, r"policy=RoundRobin is a class: give its settings, for example RoundRobin\(\)"),
        (None, (), TypeError, "policy=None is no policy"),
        ("prequal", (), TypeError, "policy='prequal' is no policy"),
        (RoundRobin(), None, TypeError, "targets=None must be a sequence of refs"),
        (RoundRobin(), "w1", TypeError, "targets='w1' must be a sequence of refs"),
        (RoundRobin(), ["w1"], TypeError, "targets contain 'w1', which is no ref"),
        (RoundRobin(), "twice", ValueError, "target 'w1' on node 'local' is given twice"),
    ],
)
async def test_spawn_refuses_what_is_no_policy_or_no_targets(
    policy: Any, targets: Any, error: type[Exception], text: str
) -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        if targets == "twice":
            targets = spawn_workers(system, 1) * 2

        with pytest.raises(error, match=text):
            system.spawn(partial(BalancerActor, policy, targets))


async def test_an_error_of_the_balancers_links_reaches_an_asker_on_another_node_as_definite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise OutboundFull("n3", size_bytes=1, pending_bytes=2, limit_bytes=2)

    monkeypatch.setattr(Pool, "ask", refuse)
    async with Systems("n1", "n2") as systems:
        systems["n2"].spawn(balancer(messages=(Who,)), name="front")

        with pytest.raises(NoTargets, match="'front' reached none of its targets: outbound buffer") as caught:
            await systems["n1"].at(Address("n2", "front")).ask(Who())

        assert caught.value.outcome is Outcome.DEFINITE


async def test_a_balancer_whose_targets_have_stopped_is_not_taken_for_stopped_itself() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        (worker,) = spawn_workers(system, 1)
        inner = system.spawn(balancer(worker), name="inner")
        outer = system.spawn(balancer(inner), name="outer")
        system.stop(worker)
        await advance(0.1)

        for _ in range(3):
            with pytest.raises(NoTargets, match="'inner'") as caught:
                await outer.ask(Who(), timeout_s=0.5)
            assert caught.value.outcome is Outcome.DEFINITE


async def test_an_ask_in_a_circle_of_balancers_ends() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        for name, other in (("a", "b"), ("b", "a")):
            system.spawn(balancer(system.at(Address("local", other)), messages=(Who,)), name=name)

        with pytest.raises(CoterieError, match="Who was passed on 64 times"):
            await system.at(Address("local", "a")).ask(Who(), timeout_s=30.0)
