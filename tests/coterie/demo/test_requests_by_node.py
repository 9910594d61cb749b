from __future__ import annotations

import random

from coterie.demo.requests_by_node import RequestsByNode
from coterie.protocols.balancing import Balancer, PeakEwma, PowerOfTwoChoices, RequestOutcome, RoundRobin, Target

WORKERS = [Target(f"{node}/workers/{at}", node=node) for at in (1, 2) for node in ("n1", "n2")]


def balanced() -> tuple[RequestsByNode, Balancer]:
    requests = RequestsByNode(RoundRobin())
    balancer = Balancer(requests, rng=random.Random(1))
    balancer.update(WORKERS, now=0.0)
    return requests, balancer


def test_requests_are_counted_by_node_when_sent_and_when_settled() -> None:
    requests, balancer = balanced()
    picked = [pick for _ in range(6) if (pick := balancer.pick(now=0.0))]
    nodes = [pick.target[:2] for pick in picked]

    balancer.report(picked[0].token, RequestOutcome.ANSWERED, now=0.1)
    balancer.report(picked[1].token, RequestOutcome.LOST, now=0.1)

    assert {pick.target for pick in picked} == {each.key for each in WORKERS}
    assert requests.sent_by_node == {"n1": 3, "n2": 3}
    assert requests.settled_by_node == {nodes[0]: 1, nodes[1]: 1}


def test_requests_to_a_worker_that_left_count_as_settled() -> None:
    requests, balancer = balanced()
    for _ in range(4):
        balancer.pick(now=0.0)

    balancer.update([each for each in WORKERS if each.node == "n2"], now=1.0)

    assert requests.settled_by_node == {"n1": 2}


def test_it_is_named_after_the_policy_that_chooses() -> None:
    assert str(RequestsByNode(PowerOfTwoChoices(PeakEwma()))) == "PowerOfTwoChoices(PeakEwma())"
