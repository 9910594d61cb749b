"""The gossip queue sends each news as often as the limit says, least sent first, within the packet's budget."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.gossip_queue import GossipQueue, retransmit_limit
from coterie.protocols.detection.swim.swim_messages import MemberRecord, record_size_bytes


def _record(name: str, incarnation: int = 0) -> MemberRecord:
    return MemberRecord(NodeId(name), incarnation, MemberState.ALIVE)


@pytest.mark.parametrize(("members", "limit"), [(1, 4), (9, 4), (10, 8), (99, 8), (100, 12), (1000, 16)])
def test_the_limit_grows_with_the_logarithm_of_the_members(members: int, limit: int) -> None:
    assert retransmit_limit(4, members) == limit


def test_each_record_is_sent_exactly_as_often_as_the_limit_says() -> None:
    queue, sent = GossipQueue(), Counter[str]()
    for number in range(10):
        queue.add(_record(f"n{number}"))
    while queue:
        sent.update(record.node for record in queue.take(3 * record_size_bytes(_record("n0")), limit=5))
    assert sent == {f"n{number}": 5 for number in range(10)}


def test_the_least_sent_records_go_first() -> None:
    queue = GossipQueue()
    queue.add(_record("old"))
    queue.take(1000, limit=5)
    queue.add(_record("new"))
    assert [record.node for record in queue.take(1000, limit=5)] == ["new", "old"]


def test_a_newer_record_replaces_the_older_one_of_its_member() -> None:
    queue = GossipQueue()
    queue.add(_record("n", 1))
    queue.take(1000, limit=5)
    queue.add(_record("n", 2))
    assert len(queue) == 1
    assert queue.take(1000, limit=5) == (_record("n", 2),)


def test_no_packet_is_larger_than_its_budget() -> None:
    rng, queue = random.Random(1), GossipQueue()
    for number in range(300):
        queue.add(_record("ü" * rng.randrange(1, 60) + str(number)))
    while queue:
        budget_bytes = rng.randrange(0, 1200)
        taken = queue.take(budget_bytes, limit=3)
        assert sum(map(record_size_bytes, taken)) <= budget_bytes
        if not taken and budget_bytes > 300:
            pytest.fail("nothing was taken although a record fits")
