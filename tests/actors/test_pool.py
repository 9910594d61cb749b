"""A pool: everybody in turn, the dead left out, and every error with its outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from coterie import Node, Outcome, Topology
from coterie.errors import ActorFailed, NodeUnreachable
from coterie.runtime.actor import Actor
from coterie.runtime.messages import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.pool.Who")
class Who(Ask[str]):
    pass


@message(name="test.pool.Fail")
class Fail(Ask[str]):
    pass


class Worker(Actor[Who | Fail]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Who | Fail, /) -> str:
        if isinstance(msg, Fail):
            raise RuntimeError("told to")
        return f"{self._node.name}/{self.context.self_ref.path}"


@pytest.fixture
async def pooled(make_cluster: Any) -> Any:
    topology = Topology("pooled", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, per_node=2)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


async def linked_pool(cluster: Any) -> Any:
    client = await cluster.client()
    await asyncio.sleep(1)  # virtual: until it is linked with all
    return client.pool("workers")


EVERYBODY = {f"{node}/workers/{number}" for node in ("n1", "n2", "n3") for number in (1, 2)}


async def test_all_workers_of_all_nodes_are_asked_in_turn(pooled: Any) -> None:
    pool = await linked_pool(pooled)

    answers = [await pool.ask(Who()) for _ in range(18)]

    assert Counter(answers) == dict.fromkeys(EVERYBODY, 3)
    assert [answer[:2] for answer in answers[:6]] == ["n1", "n2", "n3"] * 2


async def test_a_node_of_the_cluster_has_the_same_pool(pooled: Any) -> None:
    pool = pooled.nodes["n2"].pool("workers")

    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_the_workers_of_a_dead_node_are_left_out_and_come_back(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    await pool.ask(Who())

    await pooled.kill("n2")
    without = {await pool.ask(Who()) for _ in range(12)}
    await pooled.start("n2")
    await asyncio.sleep(3)
    again = {await pool.ask(Who()) for _ in range(12)}

    assert without == {who for who in EVERYBODY if not who.startswith("n2")}
    assert again == EVERYBODY


async def test_a_worker_that_fails_tells_its_asker_and_is_restarted(pooled: Any) -> None:
    pool = await linked_pool(pooled)

    with pytest.raises(ActorFailed, match="told to") as caught:
        await pool.ask(Fail())

    assert caught.value.outcome is Outcome.UNKNOWN
    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_workers_that_fail_beyond_their_budget_are_made_anew(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    for _ in range(60):
        with pytest.raises(ActorFailed):
            await pool.ask(Fail())

    await asyncio.sleep(5)

    assert {await pool.ask(Who()) for _ in range(6)} == EVERYBODY


async def test_without_any_node_an_ask_is_definitely_not_sent(pooled: Any) -> None:
    pool = await linked_pool(pooled)
    for name in list(pooled.nodes):
        await pooled.kill(name)
    await asyncio.sleep(10)

    with pytest.raises(NodeUnreachable, match="has no worker on a linked node") as caught:
        await pool.ask(Who())

    assert caught.value.outcome is Outcome.DEFINITE
