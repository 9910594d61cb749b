from __future__ import annotations

import random

from coterie.demo.requests_by_node import RequestsByNode
from coterie.protocols.balancing.balancer import Candidate, PickOutcome
from coterie.protocols.balancing.round_robin import RoundRobin

WORKERS = [Candidate(f"{node}/workers/{at}") for at in (1, 2) for node in ("n1", "n2")]


def test_requests_are_counted_by_node_when_sent_and_when_settled() -> None:
    requests = RequestsByNode(RoundRobin(random.Random(1)))
    picked = [requests.pick(WORKERS, now=0.0) for _ in range(6)]

    requests.settled(picked[0], PickOutcome.ANSWERED, latency_s=0.1, now=0.1)
    requests.settled(picked[1], PickOutcome.LOST, latency_s=0.1, now=0.1)

    assert {each.key for each in picked} == {each.key for each in WORKERS}
    assert requests.sent_by_node == {"n1": 3, "n2": 3}
    assert requests.settled_by_node == {"n1": 1, "n2": 1}
