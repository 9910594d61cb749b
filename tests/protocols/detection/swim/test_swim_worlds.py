"""Whole groups of SWIM members in simulated time: completeness, accuracy under loss, healing, determinism."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed, MemberState, Suspected, Trusted
from coterie.protocols.detection.swim.swim import Leave, Swim, initial_records
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.directed.swim_schedules import swim_world

LOCAL = SwimConfig.local()


def _observers(world: DetectionWorld, peer: NodeId, kind: type) -> set[NodeId]:
    return {seen.observer for seen in world.changes if seen.change.peer == peer and isinstance(seen.change, kind)}


@pytest.mark.parametrize(("count", "seed"), [(2, 1), (2, 2), (3, 3), (3, 4), (5, 5), (5, 6), (20, 7), (60, 8)])
def test_every_crashed_member_is_suspected_and_failed_at_all_the_living(count: int, seed: int) -> None:
    world, names = swim_world(count, LOCAL, seed=seed, loss=0.05)
    world.run(3.0)
    crashed = random.Random(seed).sample(names, max(1, count // 5))
    for node in crashed:
        world.crash(node)
    world.run(40.0)
    for node in crashed:
        assert _observers(world, node, Failed) == set(world.up)
        assert all(world.detector(other).suspicion(node, now=world.now) == 2.0 for other in world.up)


def test_nobody_comes_back_from_the_dead() -> None:
    world, names = swim_world(20, LOCAL, seed=4, loss=0.2)
    world.network.duplication = 0.2
    world.run(2.0)
    for node in names[:4]:
        world.crash(node)
    world.run(25.0)
    failed_at: dict[tuple[NodeId, NodeId], float] = {}
    for seen in world.changes:
        if seen.change.peer in names[:4]:
            assert not isinstance(seen.change, Trusted) or (seen.observer, seen.change.peer) not in failed_at
            if isinstance(seen.change, Failed):
                failed_at[seen.observer, seen.change.peer] = seen.at


def test_at_one_percent_loss_nobody_is_declared_failed() -> None:
    """0.7 node-hours; the benchmark `swim_accuracy` runs a thousand, and prints the bound that this proves."""
    world, names = swim_world(25, LOCAL, seed=5, loss=0.01)
    world.run(100.0)
    assert not [seen for seen in world.changes if isinstance(seen.change, Failed)]
    del names


def test_a_restarted_member_is_trusted_again_by_all() -> None:
    world, names = swim_world(10, LOCAL, seed=6)
    world.run(2.0)
    world.crash(names[0])
    world.run(20.0)
    world.restart(names[0], Swim(names[0], LOCAL, initial_records(names), random.Random(99)))
    world.run(20.0)
    for other in names[1:]:
        assert world.detector(other).suspicion(names[0], now=world.now) == 0.0


def test_a_healed_partition_heals() -> None:
    world, names = swim_world(16, LOCAL, seed=7)
    world.run(2.0)
    world.network.partition(names[:5], names[5:])
    world.run(40.0)
    for node in names[:5]:
        assert _observers(world, node, Failed) >= set(names[5:])
    world.network.heal()
    world.run(60.0)
    for observer in names:
        states = {status.state for status in world.detector(observer).members(now=world.now)}
        assert states == {MemberState.ALIVE}


def test_a_member_that_stood_still_accuses_nobody() -> None:
    world, names = swim_world(10, LOCAL, seed=8)
    world.run(2.0)
    for pause_s in (0.3, 1.0, 5.0):
        world.pause(names[0], pause_s)
        world.run(pause_s + 5.0)
    accused = {seen.change.peer for seen in world.changes if seen.observer == names[0]}
    assert accused <= {names[0]}


def test_a_member_that_left_alarms_nobody() -> None:
    world, names = swim_world(10, LOCAL, seed=9)
    world.run(2.0)
    world.tell(names[0], Leave())
    world.run(0.2)
    world.crash(names[0])
    world.run(20.0)
    assert not [seen for seen in world.changes if isinstance(seen.change, Suspected | Failed)]
    assert all(world.detector(other).suspicion(names[0], now=world.now) == 2.0 for other in names[1:])


def test_new_members_are_found_from_one_seed_member() -> None:
    config = replace(LOCAL, learns_members=True)
    names = [NodeId(f"m{number:02}") for number in range(20)]
    first = names[0]
    members = {
        node: Swim(node, config, initial_records(list(dict.fromkeys((first, node)))), random.Random(node))
        for node in names
    }
    world, _ = swim_world(0, config)
    for node in names:
        world.restart(node, members[node])
    world.run(20.0)
    for node in names:
        assert len(members[node].members(now=world.now)) == 19


def test_one_seed_gives_one_run() -> None:
    runs = []
    for _ in range(2):
        world, names = swim_world(30, LOCAL, seed=10, loss=0.1)
        world.run(2.0)
        world.crash(names[3])
        world.run(5.0)
        runs.append((world.events, world.counts.messages, world.changes))
    assert runs[0] == runs[1]


def test_a_member_sends_two_messages_in_each_period_however_many_members_there_are() -> None:
    config = replace(SwimConfig.lan(), exchange_interval_s=0.0, announce_interval_s=0.0)
    for count in (16, 64, 256):
        world, names = swim_world(count, config)
        world.run(20.0)
        per_member = sum(world.counts.messages.values()) / (20 * len(names))
        assert per_member == pytest.approx(2.0, rel=0.1)


@pytest.mark.slow
def test_a_crash_among_a_thousand_members_is_noticed_by_all_and_nobody_else_is_suspected() -> None:
    world, names = swim_world(1000, SwimConfig.lan(), seed=11)
    world.run(2.0)
    world.crash(names[0])
    world.run(10.0)
    assert _observers(world, names[0], Suspected) == set(names[1:])
    assert {seen.change.peer for seen in world.changes} == {names[0]}
