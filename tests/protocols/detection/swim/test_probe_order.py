"""Round robin probes every member once in a pass; no two members go in the same order."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.probe_order import OrderKind, RandomOrder, RoundRobinOrder, make_order

NODES = [NodeId(f"n{number:02}") for number in range(20)]


def test_round_robin_probes_every_member_once_in_each_pass() -> None:
    order = RoundRobinOrder(NODES, random.Random(1))
    passes = [[order.next(lambda _: True) for _ in NODES] for _ in range(5)]
    assert all(sorted(str(node) for node in each) == sorted(NODES) for each in passes)
    assert len({tuple(each) for each in passes}) == 5


def test_two_members_have_different_orders() -> None:
    one, other = (RoundRobinOrder(NODES, random.Random(seed)) for seed in (1, 2))
    assert [one.next(lambda _: True) for _ in NODES] != [other.next(lambda _: True) for _ in NODES]


@pytest.mark.parametrize("kind", list(OrderKind))
def test_members_that_may_not_be_probed_are_left_out(kind: OrderKind) -> None:
    order = make_order(kind, NODES, random.Random(1))
    picked = {order.next(lambda node: node < "n05") for _ in range(200)}
    assert picked == set(NODES[:5])


@pytest.mark.parametrize("kind", list(OrderKind))
def test_without_a_member_to_probe_there_is_none(kind: OrderKind) -> None:
    assert make_order(kind, NODES, random.Random(1)).next(lambda _: False) is None
    assert make_order(kind, [], random.Random(1)).next(lambda _: True) is None


def test_an_added_member_is_probed_in_this_pass() -> None:
    order = RoundRobinOrder(NODES, random.Random(1))
    before = [order.next(lambda _: True) for _ in range(5)]
    order.add(NodeId("new"))
    rest = [order.next(lambda _: True) for _ in range(16)]
    assert sorted(str(node) for node in before + rest) == sorted([*NODES, "new"])


def test_random_order_picks_all_members_about_equally_often() -> None:
    order = RandomOrder(NODES, random.Random(1))
    counts = dict.fromkeys(NODES, 0)
    for _ in range(20_000):
        node = order.next(lambda _: True)
        assert node is not None
        counts[node] += 1
    assert min(counts.values()) > 850  # of 1,000 expected; five standard deviations are 154
