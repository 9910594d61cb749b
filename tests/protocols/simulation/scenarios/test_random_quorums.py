"""`draw_quorum`: every kind is drawn, and none that the faults of the plan would leave without a quorum."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_budget import StateLoss
from coterie.protocols.quorums import Grid, Weighted, verify_intersection
from coterie.protocols.simulation.scenarios.raft_scenario import RaftScenario
from coterie.protocols.simulation.scenarios.random_quorums import draw_quorum


def test_each_kind_is_drawn_and_any_two_quorums_intersect() -> None:
    kinds: dict[type, int] = {}
    plan = RaftScenario().plan(0, profile="calm", nodes=5)
    for seed in range(80):
        quorum = draw_quorum(random.Random(seed), plan)
        kinds[type(quorum)] = kinds.get(type(quorum), 0) + 1
        if quorum is not None:
            verify_intersection(quorum)

    assert min(kinds[type(None)], kinds[Weighted], kinds[Grid]) >= 8


def test_nodes_that_keep_their_disks_are_a_quorum() -> None:
    other_kinds = 0
    for seed in range(150):
        plan = RaftScenario().plan(seed)
        quorum = draw_quorum(random.Random(seed), plan)
        lost = {fault.target for fault in plan.faults if isinstance(fault, StateLoss)}
        if quorum is not None and lost:
            other_kinds += 1
            assert quorum.is_quorum([NodeId(node) for node in plan.nodes if node not in lost])

    assert other_kinds > 0
