from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coterie.protocols.checking.violation import Violation
from coterie.protocols.placement import (
    AddReplica,
    PlacementConfig,
    Plan,
    Reason,
    ReplaceReplica,
    ShardId,
    Step,
)
from coterie.protocols.simulation.placement.placement_churn import PlacementChurn
from coterie.protocols.simulation.placement.placement_rules import check_plan
from coterie.protocols.simulation.placement.placement_trials import UNLIMITED, places_of

ZERO, ONE = ShardId(0), ShardId(1)
N1, N2, N3, N4, N5 = (place.node for place in places_of(5))


@pytest.mark.parametrize("seed", range(40))
def test_every_plan_keeps_the_rules_and_plans_end_after_the_last_fault(seed: int) -> None:
    rng = random.Random(seed)
    nodes, shards = rng.randint(3, 12), rng.choice((16, 64))
    churn = PlacementChurn(
        seed, nodes=nodes, shards=shards, zones=rng.choice((0, 1, 2, 3, 5)), has_bounds=rng.random() < 0.5
    )
    churn.run(40)

    assert churn.counts.plans > 40
    assert churn.counts.rounds_to_rest <= 10


@pytest.mark.slow
@pytest.mark.parametrize(("nodes", "shards"), [(3, 64), (8, 256), (20, 512), (50, 1024)])
@pytest.mark.parametrize("zones", [0, 4])
def test_large_clusters_keep_the_rules_and_come_to_rest(nodes: int, shards: int, zones: int) -> None:
    churn = PlacementChurn(shards, nodes=nodes, shards=shards, zones=zones, has_bounds=zones == 0)
    churn.run(25)

    assert churn.counts.rounds_to_rest <= 10


def violated(*steps: Step, zones: int = 0, config: PlacementConfig = UNLIMITED) -> str:
    places = places_of(5, zones=zones)
    places[4] = replace(places[4], is_leaving=True)
    places[3] = replace(places[3], capacity=None if zones else 1)
    with pytest.raises(Violation) as caught:
        check_plan(Plan(steps), {ZERO: [N1, N2, N3], ONE: [N1, N2, N4]}, places, config)
    return caught.value.invariant


def test_a_plan_that_breaks_a_rule_is_seen() -> None:
    assert violated(AddReplica(ZERO, N1, Reason.MISSING)) == "placement.one_replica_per_node"
    assert violated(ReplaceReplica(ZERO, N5, N4, Reason.LOST)) == "placement.one_replica_per_node"
    assert violated(AddReplica(ZERO, N4, Reason.MISSING)) == "placement.capacity"
    assert violated(AddReplica(ZERO, N5, Reason.MISSING)) == "placement.takes_no_new"
    assert violated(AddReplica(ZERO, N4, Reason.NEW_SHARD)) == "placement.one_step_per_shard"
    assert violated(ReplaceReplica(ZERO, N2, N4, Reason.BALANCE), zones=3) == "placement.zones_apart"
    moves = ReplaceReplica(ONE, N2, N3, Reason.BALANCE), ReplaceReplica(ZERO, N1, N4, Reason.BALANCE)
    assert violated(moves[0], moves[0]) == "placement.one_step_per_shard"
    for limited in (PlacementConfig(moves_max=1, moves_per_node_max=9), PlacementConfig(moves_per_node_max=1)):
        to_one_node = moves[0], ReplaceReplica(ZERO, N2, N4, Reason.BALANCE)
        assert violated(*to_one_node, zones=5, config=limited) == "placement.limits"


def test_a_plan_that_does_not_wait_or_leaves_no_quorum_is_seen() -> None:
    places = places_of(5)
    places[0] = replace(places[0], is_available=False)
    present = {ZERO: [N1, N2, N3]}
    for step, invariant in (
        (ReplaceReplica(ZERO, N1, N4, Reason.LOST), "placement.down_is_waited_for"),
        (ReplaceReplica(ZERO, N2, N4, Reason.BALANCE), "placement.quorum_untouched"),
    ):
        with pytest.raises(Violation) as caught:
            check_plan(Plan((step,)), present, places, UNLIMITED)
        assert caught.value.invariant == invariant
    check_plan(Plan((ReplaceReplica(ZERO, N1, N4, Reason.LOST),)), present, places, UNLIMITED, lost=[N1])
