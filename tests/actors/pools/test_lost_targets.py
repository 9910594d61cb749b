"""Targets of lost and suspected nodes stay in the reports of a pool, with the reason; others that left do not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Node, RoundRobin, Topology
from coterie.actors.pools.lost_targets import LOST, LOST_MAX, LostTargets
from coterie.actors.pools.pool import Pool
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import TargetStatus
from coterie.protocols.detection.failure_detector import Suspected
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.lost_targets.Who")
class Who(Ask[str]):
    pass


class Worker(Actor[Who]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Who, /) -> str:
        return self._node.name


@pytest.fixture
async def pooled(make_cluster: Any) -> Any:
    topology = Topology("pooled", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


def states(pool: Pool) -> dict[str, str]:
    lines = pool.report(100).targets
    assert len({line.target for line in lines}) == len(lines)  # no target is listed twice
    return {line.node: line.state for line in lines}


async def asked(pool: Pool, times: int = 6) -> None:
    for _ in range(times):
        await pool.ask(Who())


SERVING = {"n1": "serving", "n2": "serving", "n3": "serving"}


async def test_a_pool_that_was_not_used_yet_reports_neither_targets_nor_a_reason(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers", balance=RoundRobin())
    before = pool.report(100)
    await asked(pool)

    assert (before.targets, before.explanation) == ((), "")
    assert "turn" in pool.report(100).explanation


async def test_the_targets_of_a_lost_node_are_listed_as_lost_until_it_is_linked_again(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    await asked(pool)
    await pooled.kill("n2")
    before_a_request = states(pool)
    await asked(pool)
    lost = pool.report(100)
    await pooled.start("n2")
    await asyncio.sleep(5)
    await asked(pool)
    again = states(pool)
    await pooled.kill("n2")

    assert before_a_request == {**SERVING, "n2": LOST}
    assert [(line.node, line.state, line.picks, line.in_flight) for line in lost.targets] == [
        ("n1", "serving", 5, 0),
        ("n3", "serving", 5, 0),
        ("n2", LOST, 2, 0),
    ]
    assert sum(line.seen_share for line in lost.targets) == pytest.approx(1)
    assert lost.targets_total == 3
    assert again == SERVING
    assert states(pool) == {**SERVING, "n2": LOST}  # once, although it is still known from the first time


async def test_a_suspected_node_is_listed_as_suspected_before_the_next_request(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    await asked(pool)
    pooled["n1"].health.take(Suspected(NodeId("n3"), "as the test wants"))
    before_a_request = states(pool)
    await asked(pool)

    assert before_a_request == states(pool) == {**SERVING, "n3": "suspected"}


async def test_a_closed_pool_reports_no_lost_targets(pooled: Any) -> None:
    pool = pooled["n1"].pool("workers")
    await asked(pool)
    await pooled.kill("n2")
    await asked(pool)
    pool.close()

    assert pool.report(100).targets == ()


def status(number: int, node: str = "n2") -> TargetStatus:
    return TargetStatus(f"{node}/w/{number}", node, 1.0, "warming up, 40 %", 3, 10, 1, 0.5, 0.01)


def test_a_target_that_left_a_linked_node_is_not_lost() -> None:
    lost = LostTargets()

    lost.add([status(1, "n1"), status(1, "n2")], linked={"n1"})

    (line,) = lost.statuses(linked={"n1"})
    assert (line.target, line.state, line.in_flight, line.wanted_share, line.picks) == ("n2/w/1", LOST, 0, None, 10)
    assert lost.statuses(linked={"n1", "n2"}) == []


def test_the_oldest_lost_targets_are_forgotten_beyond_the_limit() -> None:
    lost = LostTargets()

    for number in range(LOST_MAX + 5):
        lost.add([status(number)], linked={"n1"})

    assert [line.target for line in lost.statuses(linked=set())] == [f"n2/w/{at}" for at in range(5, LOST_MAX + 5)]
