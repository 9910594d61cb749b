"""How much plans move: compared with what must move, however it is done; and the same plan everywhere."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import (
    Place,
    Placement,
    PlacementConfig,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    ShardId,
    apply_steps,
    plan_placement,
)
from coterie.protocols.simulation.placement.placement_trials import UNLIMITED, places_of, settled

SIZES = [(3, 64), (10, 1024), (25, 256), (50, 512)]


def new(count: int) -> dict[ShardId, tuple[NodeId, ...]]:
    return {ShardId(number): () for number in range(count)}


def moves(before: Placement, after: Placement) -> int:
    """Return how many replicas are where none of the shard was: each was copied."""
    return sum(len([node for node in after[shard] if node not in before[shard]]) for shard in before)


def must_move(present: Placement, places: list[Place], imbalance: float) -> int:
    """Return the fewest moves that bring all nodes within the imbalance, if any replica may move anywhere.

    A node may be off its share by the imbalance, or by less than one replica.
    """
    count = Counter(node for nodes in present.values() for node in nodes)
    mean = count.total() / len(places)
    off = max(imbalance * mean, 1 - 1e-6)
    too_many = sum(max(0, count[place.node] - math.floor(mean + off)) for place in places)
    too_few = sum(max(0, math.ceil(mean - off) - count[place.node]) for place in places)
    return max(too_many, too_few)


@pytest.mark.parametrize(("nodes", "shards"), SIZES)
@pytest.mark.parametrize("imbalance", [0.0, 0.1, 0.3])
def test_a_node_that_joins_gets_what_it_must_and_nothing_else_moves(nodes: int, shards: int, imbalance: float) -> None:
    config = replace(UNLIMITED, imbalance=imbalance)
    places = places_of(nodes + 1)
    present, _, _ = settled(new(shards), places[:-1], config)

    after, _, _ = settled(present, places, config)

    assert moves(present, after) == must_move(present, places, imbalance)


@pytest.mark.parametrize(("nodes", "shards"), [size for size in SIZES if size[0] > 3])
@pytest.mark.parametrize("gone", [0, 2])
def test_of_a_node_that_goes_each_replica_moves_once_and_nothing_else(nodes: int, shards: int, gone: int) -> None:
    places = places_of(nodes)
    present, _, _ = settled(new(shards), places)
    own = sum(places[gone].node in at for at in present.values())

    left = [place for number, place in enumerate(places) if number != gone]
    leaving = [replace(place, is_leaving=number == gone) for number, place in enumerate(places)]

    assert moves(present, settled(present, left)[0]) == own
    assert moves(present, settled(present, leaving)[0]) == own


def test_a_node_that_comes_back_before_it_is_lost_moves_nothing() -> None:
    places = places_of(10)
    present, _, _ = settled(new(256), places)
    down = [replace(places[0], is_available=False), *places[1:]]

    assert plan_placement(present, down, UNLIMITED).steps == ()
    assert plan_placement(present, places, UNLIMITED).steps == ()


def test_small_changes_of_weight_and_load_within_the_imbalance_move_nothing() -> None:
    rng = random.Random(7)
    present, _, _ = settled(new(256), places_of(8))
    places = [replace(place, weight=rng.uniform(0.98, 1.02)) for place in places_of(8)]
    load = {shard: rng.uniform(0.99, 1.01) for shard in present}

    assert plan_placement(present, places, UNLIMITED, load=load).steps == ()


@pytest.mark.parametrize("seed", range(30))
def test_any_unbalanced_placement_ends_within_the_imbalance_with_at_most_a_fifth_more_moves_than_needed(
    seed: int,
) -> None:
    rng = random.Random(seed)
    nodes, shards = rng.randint(5, 30), rng.choice((64, 200, 400))
    places = places_of(nodes)
    few = [place.node for place in places[: rng.randint(3, nodes)]]
    present = {ShardId(number): tuple(sorted(rng.sample(few, 3))) for number in range(shards)}

    after, _, _ = settled(present, places)

    assert must_move(after, places, UNLIMITED.imbalance) == 0
    assert moves(present, after) <= 1.2 * must_move(present, places, UNLIMITED.imbalance)


@pytest.mark.parametrize("seed", range(10))
def test_with_limits_the_same_number_moves_in_more_rounds(seed: int) -> None:
    rng = random.Random(seed)
    places = places_of(9)
    present, _, _ = settled(new(96), places[:8])
    config = PlacementConfig(moves_max=rng.randint(1, 6), moves_per_node_max=rng.randint(1, 3))
    at_once, _, _ = settled(present, places)

    moved, rounds = 0, 0
    while (plan := plan_placement(present, places, config)).steps:
        moved, rounds = moved + len(plan.steps), rounds + 1
        present = apply_steps(present, plan.steps)

    assert moved == sum(places[8].node in nodes for nodes in at_once.values())
    assert rounds == math.ceil(moved / min(config.moves_max, config.moves_per_node_max))


@pytest.mark.parametrize("seed", range(20))
def test_an_interrupted_plan_goes_on_without_moving_more(seed: int) -> None:
    """Of some steps only the new replica has been made when everything is forgotten."""
    rng = random.Random(seed)
    places = [replace(place, is_leaving=number == 0) for number, place in enumerate(places_of(9, zones=3))]
    present, _, _ = settled(new(96), places_of(9, zones=3))
    plan = plan_placement(present, places, UNLIMITED)
    steps = rng.sample(plan.steps, len(plan.steps) // 2)
    interrupted = apply_steps(present, steps[::2])
    for step in steps[1::2]:
        assert isinstance(step, ReplaceReplica)
        interrupted[step.shard] = (*interrupted[step.shard], step.new)

    after, _, _ = settled(interrupted, places)

    assert moves(present, after) == len(plan.steps)
    first = plan_placement(interrupted, places, UNLIMITED).steps
    assert sum(isinstance(step, RemoveReplica) for step in first) == len(steps[1::2])
    assert all(step.reason in (Reason.SURPLUS, Reason.LEAVING) for step in first)


def test_the_order_of_arguments_does_not_matter() -> None:
    rng = random.Random(3)
    places = [replace(place, weight=1.0 + number % 2) for number, place in enumerate(places_of(12, zones=4))]
    present, _, _ = settled(new(100), places[:9])
    shuffled = {shard: rng.sample(present[shard], 3) for shard in rng.sample(list(present), 100)}
    lost = frozenset(place.node for place in places[:2])
    down = [replace(place, is_available=place.node not in lost) for place in places]

    assert plan_placement(present, down, UNLIMITED, lost=lost) == plan_placement(
        shuffled, rng.sample(down, len(down)), UNLIMITED, lost=lost
    )


def test_a_plan_is_the_same_in_every_process_and_python_version() -> None:
    places = [replace(place, weight=1.0 + number % 3) for number, place in enumerate(places_of(20, zones=5))]
    load = {ShardId(number): 0.1 * (number % 11) for number in range(256)}
    present, _, _ = settled(new(256), places[:17], load=load)
    after, _, _ = settled(present, places[2:], load=load)

    text = repr([sorted(it.items()) for it in (present, after)])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "9558b042840406af"
