"""A balancer actor passes on everything, and changes nothing: deadlines, replies, errors, chains."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Any

import pytest

from coterie.actors.pools.balancer_actor import BalancerActor
from coterie.actors.pools.load_messages import ProbeLoad
from coterie.errors import ActorFailed, AskTimeout, NoTargets, Outcome
from coterie.protocols.balancing import LoadReport, RoundRobin
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
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


async def test_a_restarted_balancer_goes_on() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        workers = spawn_workers(system, 2)

        def key(msg: Who | Note) -> str:
            if isinstance(msg, Note):
                raise RuntimeError("told to")
            return "k"

        front = system.spawn(balancer(*workers, key_of=key))
        front.tell(Note(1))
        await advance(2.0)

        assert {await front.ask(Who()) for _ in range(4)} == {"local/w1", "local/w2"}
