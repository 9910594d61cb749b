"""Messages told to a pool: shared, in order, and kept until the first targets are known."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie import Node, Topology
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.requests import waiting_tells
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.actors.pools.requests.waiting_tells import WaitingTells
from coterie.protocols.balancing import RoundRobin
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import message
from coterie.runtime.observing.dead_letters import Reason
from coterie.testing import Systems, advance

pytestmark = pytest.mark.virtual


@message(name="test.tells.Note")
class Note:
    number: int


TOLD: dict[str, list[int]] = {}


class Worker(Actor[Note]):
    def __init__(self, node: Node | None = None) -> None:
        self._node = node

    def receive(self, msg: Note, /) -> None:
        TOLD.setdefault(f"{self.context.system.node}/{self.context.self_ref.path}", []).append(msg.number)


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    TOLD.clear()


async def started(make_cluster: Any) -> Any:
    topology = Topology("tells", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


async def test_messages_told_before_the_targets_are_known_arrive_in_order(make_cluster: Any) -> None:
    cluster = await started(make_cluster)
    pool = cluster["n1"].pool("workers")

    for number in range(9):
        pool.tell(Note(number))
    await asyncio.sleep(1)
    for number in range(9, 18):
        pool.tell(Note(number))
    await asyncio.sleep(1)

    assert sorted(number for numbers in TOLD.values() for number in numbers) == list(range(18))
    assert all(len(numbers) == 6 and numbers == sorted(numbers) for numbers in TOLD.values())


async def test_only_so_many_messages_wait(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_tells, "LIMIT", 5)
    cluster = await started(make_cluster)
    pool = cluster["n1"].pool("workers")

    for number in range(8):
        pool.tell(Note(number))
    await asyncio.sleep(1)

    assert sum(map(len, TOLD.values())) == 5
    assert cluster["n1"].system.dead_letters.counts[Reason.MAILBOX_FULL] == 3


async def test_without_targets_a_message_is_a_dead_letter() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        pool = Pool(system, "empty", lambda *_: FixedTargets(system, ()), policy=RoundRobin())
        pool.tell(Note(1))
        await advance(0.1)
        pool.tell(Note(2))

        assert system.dead_letters.counts[Reason.UNREACHABLE] == 2


async def test_what_waits_in_a_pool_that_is_closed_is_a_dead_letter() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        worker = system.spawn(partial(Worker))
        pool = Pool(system, "closed", lambda *_: FixedTargets(system, [worker]), policy=RoundRobin())
        pool.tell(Note(1))

        pool.close()
        pool.tell(Note(2))
        await advance(0.1)

        assert TOLD == {}
        assert system.dead_letters.counts[Reason.UNREACHABLE] == 2


async def test_what_cannot_be_sent_is_a_dead_letter_and_the_others_are_sent() -> None:
    sent: list[object] = []

    async def known() -> None:
        await asyncio.sleep(0)

    def send(msg: object, _: object) -> None:
        if msg == Note(2):
            raise RuntimeError("told to")
        sent.append(msg)

    async with Systems("local") as systems:
        system = systems["local"]
        dead: list[object] = []
        system.dead_letters.listen(lambda letter, item: dead.append(item))
        tells = WaitingTells(system, "pool", known=known, send=send)
        for number in (1, 2, 3):
            tells.add(Note(number), None)
        await advance(0.1)

        assert sent == [Note(1), Note(3)]
        assert dead == [Note(2)]
        assert "RuntimeError: told to" in system.dead_letters.latest[0].detail


async def test_when_the_targets_cannot_be_known_what_waits_is_lost_and_what_follows_is_sent() -> None:
    sent: list[object] = []
    errors = [ValueError("a bad list")]

    async def known() -> None:
        if errors:
            raise errors.pop()

    async with Systems("local") as systems:
        system = systems["local"]
        tells = WaitingTells(system, "pool", known=known, send=lambda msg, _: sent.append(msg))
        tells.add(Note(1), None)
        tells.add(Note(2), None)
        await advance(0.1)
        assert not tells.is_waiting
        tells.add(Note(3), None)
        await advance(0.1)

        assert sent == [Note(3)]
        assert system.dead_letters.counts[Reason.UNREACHABLE] == 2
