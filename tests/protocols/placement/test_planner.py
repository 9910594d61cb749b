"""The rules of plans, one at a time; every plan that `settled` carries out is checked against all of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import (
    AddReplica,
    OverCapacity,
    Place,
    PlacementConfig,
    Plan,
    QuorumLost,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    ReplicasMissing,
    ReplicaStuck,
    ShardId,
    Step,
    ZoneShared,
    apply_steps,
    plan_placement,
)
from coterie.protocols.simulation.placement.placement_rules import check_plan, check_rest, zone_counts
from coterie.protocols.simulation.placement.placement_trials import UNLIMITED, places_of, settled

Present = dict[ShardId, tuple[NodeId, ...]]

ZERO = ShardId(0)
N1, N2, N3, N4, N5 = (place.node for place in places_of(5))


def new(count: int) -> Present:
    return {ShardId(number): () for number in range(count)}


def counts(present: Present) -> Counter[NodeId]:
    return Counter(node for nodes in present.values() for node in nodes)


def changed(places: list[Place], at: int, **changes: bool) -> list[Place]:
    return [replace(it, **changes) if number == at else it for number, it in enumerate(places)]  # type: ignore[arg-type]


def reasons(plan: Plan) -> Counter[Reason]:
    return Counter(step.reason for step in plan.steps)


# --- new shards


def test_new_shards_are_founded_at_once_whatever_the_limits_are() -> None:
    plan = plan_placement(new(64), places_of(9, zones=3), PlacementConfig(moves_max=1, moves_per_node_max=1))

    assert reasons(plan) == {Reason.NEW_SHARD: 192}
    assert (plan.findings, plan.waiting) == ((), 0)


@pytest.mark.parametrize("nodes", [3, 4, 7, 10, 50])
def test_new_shards_are_spread_evenly_and_then_nothing_moves(nodes: int) -> None:
    present, _, rounds = settled(new(256), places_of(nodes))

    assert rounds == 1
    assert max(abs(it - 768 / nodes) for it in counts(present).values()) <= max(1, 0.05 * 768 / nodes)


def test_replicas_of_the_shards_of_one_node_are_on_all_others() -> None:
    present, _, _ = settled(new(512), places_of(10))
    others = Counter(node for nodes in present.values() if N1 in nodes for node in nodes if node != N1)

    assert len(others) == 9
    assert max(others.values()) < 2 * min(others.values())


def test_fewer_nodes_than_replicas_found_what_is_possible_and_say_what_is_missing() -> None:
    plan = plan_placement(new(1), places_of(2), UNLIMITED)

    assert [(step.shard, step.reason) for step in plan.steps] == [(ZERO, Reason.NEW_SHARD)] * 2
    assert plan.findings == (ReplicasMissing(ZERO, 1),)


def test_without_nodes_there_is_no_step() -> None:
    assert plan_placement(new(1), [], UNLIMITED) == Plan((), (ReplicasMissing(ZERO, 3),))
    assert plan_placement({}, [], UNLIMITED) == Plan()


def test_what_is_missing_later_is_added_one_at_a_time() -> None:
    plan = plan_placement({ZERO: [N1]}, places_of(4), UNLIMITED)

    assert reasons(plan) == {Reason.MISSING: 1}
    assert plan.waiting == 1


# --- zones


def test_zones_that_are_enough_never_have_two_replicas_of_a_shard() -> None:
    places = places_of(12, zones=4)
    by_node = {place.node: place for place in places}
    present, plan, _ = settled(new(128), places)

    assert all(max(zone_counts(nodes, by_node).values()) == 1 for nodes in present.values())
    assert plan.findings == ()


def test_two_zones_share_three_replicas_and_every_plan_says_so() -> None:
    places = places_of(8, zones=2)
    by_node = {place.node: place for place in places}
    first = plan_placement(new(32), places, UNLIMITED)
    present, last, _ = settled(new(32), places)

    assert all(sorted(zone_counts(nodes, by_node).values()) == [1, 2] for nodes in present.values())
    for plan in (first, last):
        assert [type(it) for it in plan.findings] == [ZoneShared] * 32


def test_a_zone_that_comes_later_gets_a_replica_of_every_shard() -> None:
    places = places_of(9, zones=3)
    two_zones = [place for place in places if place.zone != "z2"]
    present, _, _ = settled(new(32), two_zones)

    after, plan, _ = settled(present, places)

    check_rest(plan, after, places, UNLIMITED)
    assert sum(counts(after)[place.node] for place in places if place.zone == "z2") == 32


def test_a_full_zone_is_left_and_the_plan_says_so() -> None:
    places = [*places_of(6, zones=2), Place(NodeId("x"), "z2", capacity=4)]
    present, plan, _ = settled(new(10), places)

    assert counts(present)[NodeId("x")] == 4
    assert len([it for it in plan.findings if isinstance(it, ZoneShared)]) == 6


def test_balance_does_not_put_two_replicas_into_one_zone() -> None:
    places = [Place(N1, "x"), *(Place(NodeId(f"y{it}"), "y") for it in range(5)), Place(N2, "z"), Place(N3, "z")]
    present, plan, _ = settled(new(60), places)

    assert counts(present)[N1] == 60
    check_rest(plan, present, places, UNLIMITED)


def test_balance_moves_within_a_zone_if_another_node_is_as_empty_but_in_the_zone_of_another_replica() -> None:
    zone_by_node = {"a": "y", "b": "x", "c": "x", "d": "y", "e": "z", "f": "z"}
    places = [Place(NodeId(node), zone) for node, zone in zone_by_node.items()]
    present = dict.fromkeys(new(40), (NodeId("c"), NodeId("d"), NodeId("e")))

    after, plan, _ = settled(present, places)

    assert all(count in range(18, 23) for count in counts(after).values())
    check_rest(plan, after, places, UNLIMITED)


# --- nodes that are down, lost, removed, leaving


def test_a_node_that_is_down_keeps_its_replicas_and_gets_none() -> None:
    places = places_of(5)
    present, _, _ = settled(new(32), places)
    down = changed(places, 0, is_available=False)

    assert plan_placement(present, down, UNLIMITED) == Plan()


def test_replicas_of_a_lost_node_are_replaced_once_each_and_nothing_else_moves() -> None:
    places = places_of(10)
    present, _, _ = settled(new(256), places)
    down = changed(places, 0, is_available=False)

    plan = plan_placement(present, down, UNLIMITED, lost={N1})
    after, _, rounds = settled(present, down, lost={N1})

    assert reasons(plan) == {Reason.LOST: counts(present)[N1]}
    assert (rounds, counts(after)[N1]) == (1, 0)


def test_a_node_that_is_up_again_is_not_lost_whatever_the_caller_says() -> None:
    places = places_of(5)
    present, _, _ = settled(new(32), places)

    assert plan_placement(present, places, UNLIMITED, lost={N1}) == Plan()


def test_a_removed_node_loses_all_replicas() -> None:
    places = places_of(5)
    present, _, _ = settled(new(32), places)
    after, plan, _ = settled(present, places[1:])

    check_rest(plan, after, places[1:], UNLIMITED)


def test_a_leaving_node_ends_empty_and_each_of_its_replicas_moves_once() -> None:
    places = places_of(10)
    present, _, _ = settled(new(256), places)
    plan = plan_placement(present, changed(places, 3, is_leaving=True), UNLIMITED)

    assert reasons(plan) == {Reason.LEAVING: counts(present)[N4]}
    assert all(isinstance(step, ReplaceReplica) and step.old == N4 for step in plan.steps)


def test_a_node_that_cannot_leave_is_named() -> None:
    places = changed(places_of(3), 0, is_leaving=True)

    assert plan_placement({ZERO: [N1, N2, N3]}, places, UNLIMITED).findings == (ReplicaStuck(ZERO, N1, Reason.LEAVING),)


def test_a_leaving_node_that_goes_down_is_waited_for() -> None:
    places = changed(places_of(5), 0, is_leaving=True, is_available=False)

    assert plan_placement({ZERO: [N1, N2, N3]}, places, UNLIMITED) == Plan()


# --- quorums, one step for a shard


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5])
def test_all_but_one_of_few_replicas_and_a_majority_of_many_stay_untouched(replicas: int) -> None:
    nodes = [place.node for place in places_of(replicas)]
    leaving = [replace(place, is_leaving=place.node in nodes) for place in places_of(12)]

    plan = plan_placement({ZERO: nodes}, leaving, replace(UNLIMITED, replicas=replicas))

    assert (len(plan.steps), plan.waiting) == (1, replicas - 1)


def test_no_healthy_replica_moves_while_another_is_down() -> None:
    places = changed(changed(places_of(5), 0, is_available=False), 1, is_leaving=True)
    plan = plan_placement({ZERO: [N1, N2, N3]}, places, UNLIMITED)

    assert (plan.steps, plan.waiting) == ((), 1)


def test_the_lost_one_is_replaced_before_the_leaving_one_moves() -> None:
    places = changed(changed(places_of(6), 0, is_available=False), 1, is_leaving=True)
    plan = plan_placement({ZERO: [N1, N2, N3]}, places, UNLIMITED, lost={N1})

    assert [(type(step), step.reason) for step in plan.steps] == [(ReplaceReplica, Reason.LOST)]
    assert plan.waiting == 1


def test_a_shard_that_lost_its_quorum_is_left_alone_and_named() -> None:
    places = changed(changed(places_of(6), 0, is_available=False), 1, is_available=False)
    plan = plan_placement({ZERO: [N1, N2, N3]}, places, UNLIMITED, lost={N1, N2})

    assert plan == Plan((), (QuorumLost(ZERO, 1, 3),))


def test_a_shard_that_lost_all_its_nodes_is_not_founded_again() -> None:
    plan = plan_placement({ZERO: [N1, N2, N3]}, places_of(8)[3:], UNLIMITED)

    assert plan == Plan((), (QuorumLost(ZERO, 0, 3),))


def test_the_shards_with_the_fewest_live_replicas_come_first() -> None:
    config = PlacementConfig(replicas=5, moves_max=1)
    places = changed(changed(places_of(9), 0, is_available=False), 1, is_available=False)
    present = {ShardId(0): [N1, N3, N4, N5, NodeId("n006")], ShardId(1): [N1, N2, N3, N4, N5]}

    plan = plan_placement(present, places, config, lost={N1, N2})

    assert [step.shard for step in plan.steps] == [1]
    assert plan.waiting == 2


# --- surplus: what an interrupted replacement leaves


@pytest.mark.parametrize(
    ("changes", "gone"),
    [({"is_leaving": True}, N2), ({"is_available": False}, N2)],
    ids=["leaving", "lost"],
)
def test_of_four_replicas_the_one_that_was_to_be_replaced_goes(changes: dict[str, bool], gone: NodeId) -> None:
    places = changed(places_of(6), 1, **changes)
    plan = plan_placement({ZERO: [N1, N2, N3, N4]}, places, UNLIMITED, lost={N2})

    assert plan.steps == (RemoveReplica(ZERO, gone, Reason.SURPLUS),)


def test_of_four_replicas_one_of_two_in_a_zone_goes() -> None:
    places = [Place(N1, "x"), Place(N2, "y"), Place(N3, "z"), Place(N4, "y"), Place(N5, "x")]
    plan = plan_placement({ZERO: [N1, N2, N3, N4]}, places, UNLIMITED)

    assert [type(step) for step in plan.steps] == [RemoveReplica]
    assert {N2, N4} - set(apply_steps({ZERO: [N1, N2, N3, N4]}, plan.steps)[ZERO])


def test_of_four_replicas_none_goes_while_one_is_down_for_now() -> None:
    places = changed(places_of(5), 1, is_available=False)
    plan = plan_placement({ZERO: [N1, N2, N3, N4]}, places, UNLIMITED)

    assert (plan.steps, plan.waiting) == ((), 1)


# --- capacity


def test_a_capacity_that_became_less_is_kept_by_moving_the_rest() -> None:
    places = places_of(6)
    present, _, _ = settled(new(64), places)
    places[0] = replace(places[0], capacity=10)

    after, plan, _ = settled(present, places)

    assert counts(after)[N1] == 10
    check_rest(plan, after, places, UNLIMITED)


def test_what_is_above_a_capacity_and_has_no_other_place_is_named() -> None:
    places = places_of(3)
    present, _, _ = settled(new(8), places)
    places[0] = replace(places[0], capacity=5)
    plan = plan_placement(present, places, UNLIMITED)

    assert plan == Plan((), (OverCapacity(N1, 8, 5),))


def test_a_node_of_no_capacity_gets_nothing() -> None:
    places = places_of(5)
    places[2] = replace(places[2], capacity=0)
    present, _, _ = settled(new(16), places)

    assert counts(present)[N3] == 0


def test_room_that_a_step_makes_is_not_used_before_that_step_is_done() -> None:
    places = [Place(N1, "x", capacity=1), Place(N2, "y", capacity=2), Place(N3, "z", capacity=2)]
    places.append(Place(N4, "x", capacity=1))
    present = {ZERO: (N1, N2, N3, N4), ShardId(1): (N2, N3)}

    plan = plan_placement(present, places, UNLIMITED)
    after, last, rounds = settled(present, places)

    assert [type(step) for step in plan.steps] == [RemoveReplica]
    assert (rounds, [len(nodes) for nodes in after.values()], last.findings) == (2, [3, 3], ())


# --- weights and loads


def test_nodes_are_filled_by_weight() -> None:
    places = [replace(place, weight=1.0 + at % 3) for at, place in enumerate(places_of(9))]
    present, _, _ = settled(new(600), places)

    for place in places:
        assert counts(present)[place.node] == pytest.approx(1800 * place.weight / 18, rel=0.06)


def test_nodes_are_filled_by_load_and_not_by_number() -> None:
    load = {ShardId(number): 1.0 + number % 7 for number in range(300)}
    present, _, _ = settled(new(300), places_of(8), load=load)
    loads = Counter[NodeId]()
    for shard, nodes in present.items():
        for node in nodes:
            loads[node] += int(load[shard])

    assert max(loads.values()) < 1.1 * min(loads.values())


def test_idle_shards_and_shards_of_unknown_load_do_not_move_without_end() -> None:
    load = {ShardId(number): 0.0 if number % 2 else 5.0 for number in range(40)}
    present, _, _ = settled({ShardId(number): (N1, N2, N3) for number in range(50)}, places_of(7), load=load)

    assert min(counts(present)[place.node] for place in places_of(7)) > 0


@pytest.mark.parametrize("load", [-1.0, float("nan"), float("inf")])
def test_a_load_that_is_none_is_refused(load: float) -> None:
    with pytest.raises(ValueError, match="load of shard 0"):
        plan_placement({ZERO: [N1]}, places_of(1), UNLIMITED, load={ZERO: load})


# --- limits, and steps under way


def test_limits_hold_for_the_plan_and_what_is_under_way_together() -> None:
    places = places_of(6)
    present, _, _ = settled(new(60), places[:5])
    config = PlacementConfig(moves_max=9, moves_per_node_max=4)

    first = plan_placement(present, places, config)
    second = plan_placement(present, places, config, moving=first.steps[:3])
    check_plan(second, present, places, config, moving=first.steps[:3])

    assert (len(first.steps), len(second.steps)) == (4, 1)
    assert not {step.shard for step in first.steps[:3]} & {step.shard for step in second.steps}


def test_what_the_limits_hold_back_is_counted_and_balance_waits_for_it() -> None:
    places = changed(places_of(6), 0, is_leaving=True)
    present, _, _ = settled(new(60), places_of(5))
    plan = plan_placement(present, places, PlacementConfig(moves_max=5, moves_per_node_max=5))

    assert reasons(plan) == {Reason.LEAVING: 5}
    assert plan.waiting == counts(present)[N1] - 5


def test_a_step_under_way_for_an_unknown_shard_is_an_error() -> None:
    step: Step = AddReplica(ShardId(7), N1, Reason.MISSING)
    with pytest.raises(LookupError, match="not in the placement"):
        plan_placement({ZERO: [N1]}, places_of(2), UNLIMITED, moving=[step])


# --- bad input


def test_two_replicas_on_one_node_are_refused() -> None:
    with pytest.raises(ValueError, match="shard 0 has two replicas on one node"):
        plan_placement({ZERO: [N1, N2, N1]}, places_of(4), UNLIMITED)
