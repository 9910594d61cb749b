"""Groups of detectors on bad links: every crash is noticed by all, few mistakes are made, and stalls accuse nobody."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection import (
    ChenConfig,
    DeadlineConfig,
    ExponentialTail,
    Failed,
    FailureDetector,
    MakeDetector,
    MemberState,
    NormalTail,
    PhiAccrualConfig,
    RttPhiConfig,
    Suspected,
    Trusted,
)
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.detection.member_network import MemberNetwork

NODES = [NodeId(f"n{number}") for number in range(1, 6)]
FIRST, SECOND, *REST = NODES
CONFIGS: dict[str, MakeDetector] = {
    "deadline": DeadlineConfig.local(),
    "phi logistic": PhiAccrualConfig.local(),
    "phi normal": PhiAccrualConfig(
        interval_s=0.1, lag_tolerance_s=0.05, fail_after_s=1.0, min_deviation_s=0.04, acceptable_pause_s=0.2,
        model=NormalTail(),
    ),
    "phi exponential": PhiAccrualConfig(
        interval_s=0.1, lag_tolerance_s=0.05, fail_after_s=1.0, min_deviation_s=0.04, acceptable_pause_s=0.0,
        threshold=3.0, model=ExponentialTail(),
    ),
    "chen": ChenConfig.local(),
    "rtt phi": RttPhiConfig.local(),
}  # fmt: skip

each_config = pytest.mark.parametrize("make", CONFIGS.values(), ids=CONFIGS)
each_seed = pytest.mark.parametrize("seed", range(2))


@dataclass(slots=True)
class UnevenNetwork(MemberNetwork):
    """A network whose links to and from n2 differ: they are slow, or those between n1 and n2 are cut."""

    slow_s: float = 0.0
    is_cut: bool = False

    def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
        if self.is_cut and {sender, target} == {FIRST, SECOND}:
            return ()
        slow_s = self.slow_s if SECOND in (sender, target) else 0.0
        return tuple(delay_s + slow_s for delay_s in super(UnevenNetwork, self).arrivals_s(sender, target, message))


def jittery(jitter_s: float) -> Callable[[random.Random], float]:
    return lambda rng: 0.001 + rng.expovariate(1.0 / jitter_s)


def detector(make: MakeDetector, node: NodeId, seed: int) -> FailureDetector:
    return make.make(node, [peer for peer in NODES if peer != node], seed=seed)


def world(make: MakeDetector, seed: int, network: MemberNetwork | None = None) -> DetectionWorld:
    detectors = {node: detector(make, node, seed) for node in NODES}
    return DetectionWorld(detectors, network or MemberNetwork(random.Random(seed), jittery(0.001)))


def states(nodes: DetectionWorld, observer: NodeId) -> dict[NodeId, MemberState]:
    return {status.peer: status.state for status in nodes.detector(observer).members(now=nodes.now)}


@each_config
@each_seed
def test_a_killed_node_is_suspected_by_all_within_a_second_and_failed_a_second_later(
    make: MakeDetector, seed: int
) -> None:
    nodes = world(make, seed)
    nodes.run(10.0)
    assert nodes.changes == []

    nodes.crash(FIRST)
    nodes.run(3.0)

    for observer in NODES[1:]:
        seen = [seen for seen in nodes.changes if seen.observer == observer]
        assert [type(it.change) for it in seen] == [Suspected, Failed]
        assert {it.change.peer for it in seen} == {FIRST}
        assert seen[0].at < 11.1


@each_config
@each_seed
def test_every_crash_is_noticed_by_all_on_links_that_lose_and_delay(make: MakeDetector, seed: int) -> None:
    nodes = world(make, seed, MemberNetwork(random.Random(seed), jittery(0.02), loss=0.1, duplication=0.05))
    nodes.run(10.0)
    nodes.crash(FIRST)
    nodes.crash(SECOND)
    nodes.run(20.0)

    for observer in REST:
        assert states(nodes, observer)[FIRST] is states(nodes, observer)[SECOND] is MemberState.FAILED
    late = [seen.change for seen in nodes.changes if seen.at > 13.0 and seen.change.peer in (FIRST, SECOND)]
    assert not any(isinstance(change, Trusted) for change in late)


@each_config
@each_seed
def test_mistakes_on_a_bad_link_are_rare_and_taken_back(make: MakeDetector, seed: int) -> None:
    """Five nodes, a minute, 1 % loss, 10 ms of jitter: 20 pairs, so 20 minutes of watching."""
    nodes = world(make, seed, MemberNetwork(random.Random(seed), jittery(0.01), loss=0.01))
    nodes.run(60.0)

    suspicions = sum(isinstance(seen.change, Suspected) for seen in nodes.changes)
    taken_back = sum(isinstance(seen.change, Trusted) for seen in nodes.changes)
    assert suspicions <= 3
    assert suspicions - taken_back <= 1


@each_config
@each_seed
def test_a_node_that_stalls_accuses_nobody(make: MakeDetector, seed: int) -> None:
    nodes = world(make, seed)
    nodes.run(5.0)
    nodes.pause(FIRST, 7.0)
    nodes.run(15.0)

    assert [seen for seen in nodes.changes if seen.observer == FIRST] == []
    assert {seen.change.peer for seen in nodes.changes} == {FIRST}
    assert all(set(states(nodes, observer).values()) == {MemberState.ALIVE} for observer in NODES)


@each_config
@each_seed
def test_a_restarted_node_is_trusted_again(make: MakeDetector, seed: int) -> None:
    nodes = world(make, seed)
    nodes.run(5.0)
    nodes.crash(FIRST)
    nodes.run(5.0)
    nodes.restart(FIRST, detector(make, FIRST, seed))
    nodes.run(2.0)

    last = {seen.observer: type(seen.change) for seen in nodes.changes if seen.change.peer == FIRST}
    assert last == dict.fromkeys(NODES[1:], Trusted)


@each_config
def test_a_seed_determines_the_run(make: MakeDetector) -> None:
    def run(seed: int) -> list[object]:
        nodes = world(make, seed, MemberNetwork(random.Random(seed), jittery(0.05), loss=0.5))
        nodes.run(10.0)
        return [*nodes.changes, *(status for node in NODES for status in nodes.detector(node).members(now=nodes.now))]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_broken_link_is_no_suspicion_for_probes_because_others_relay_them() -> None:
    nodes = world(RttPhiConfig.local(), 1, UnevenNetwork(random.Random(1), is_cut=True))
    nodes.run(40.0)

    assert nodes.changes == []


def test_a_slow_link_is_learned_by_round_trips() -> None:
    """n2 answers after 0.3 s, beyond the initial time-out of 0.2 s: at first it may be suspected, then never again."""
    nodes = world(RttPhiConfig.local(), 1, UnevenNetwork(random.Random(1), slow_s=0.15))
    nodes.run(40.0)

    assert [seen for seen in nodes.changes if seen.at > 10.0 and isinstance(seen.change, Suspected)] == []
