"""Groups of detectors on bad links: every crash is noticed by all, few mistakes are made, and stalls accuse nobody."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection import (
    ChenConfig,
    DeadlineConfig,
    ExponentialTail,
    Failed,
    MakeDetector,
    MemberState,
    NormalTail,
    PhiAccrualConfig,
    RttPhiConfig,
    Suspected,
    Trusted,
)
from coterie.protocols.simulation.directed.detector_group import DetectorGroup, LossyLink

NODES = [NodeId(f"n{number}") for number in range(1, 6)]
LOCAL = PhiAccrualConfig.local()
CONFIGS: dict[str, MakeDetector] = {
    "deadline": DeadlineConfig.local(),
    "phi logistic": LOCAL,
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


def group(make: MakeDetector, seed: int, link: LossyLink | None = None) -> DetectorGroup:
    return DetectorGroup(make, NODES, link or LossyLink(jitter_s=0.001), seed=seed)


@each_config
@each_seed
def test_a_killed_node_is_suspected_by_all_within_a_second_and_failed_a_second_later(
    make: MakeDetector, seed: int
) -> None:
    nodes = group(make, seed)
    nodes.run(until_s=10.0)
    assert nodes.changes == []

    nodes.crash(NODES[0])
    nodes.run(until_s=13.0)

    for node in NODES[1:]:
        changes = [change for change in nodes.changes if change.node == node]
        assert [type(change.change) for change in changes] == [Suspected, Failed]
        assert {change.change.peer for change in changes} == {NODES[0]}
        assert changes[0].time_s < 11.1


@each_config
@each_seed
def test_every_crash_is_noticed_by_all_on_links_that_lose_and_delay(make: MakeDetector, seed: int) -> None:
    nodes = group(make, seed, LossyLink(jitter_s=0.02, loss=0.1))
    nodes.run(until_s=10.0)
    for node in NODES[:2]:
        nodes.crash(node)
    nodes.run(until_s=30.0)

    for node in NODES[2:]:
        states = {status.peer: status.state for status in nodes.detector(node).members(now=nodes.now)}
        assert states[NODES[0]] is states[NODES[1]] is MemberState.FAILED
    late = [change for change in nodes.changes_about(NODES[0]) if change.time_s > 12.0]
    assert all(isinstance(change.change, Failed) for change in late)


@each_config
@each_seed
def test_mistakes_on_a_bad_link_are_rare_and_taken_back(make: MakeDetector, seed: int) -> None:
    """Five nodes, a minute, 1 % loss, 10 ms of jitter: 20 pairs, so 20 minutes of watching."""
    nodes = group(make, seed, LossyLink(jitter_s=0.01, loss=0.01))
    nodes.run(until_s=60.0)

    suspicions = sum(isinstance(change.change, Suspected) for change in nodes.changes)
    taken_back = sum(isinstance(change.change, Trusted) for change in nodes.changes)
    assert suspicions <= 3
    assert suspicions - taken_back <= 1


@each_config
@each_seed
def test_a_node_that_stalls_accuses_nobody(make: MakeDetector, seed: int) -> None:
    nodes = group(make, seed)
    nodes.run(until_s=5.0)
    nodes.stall(NODES[0], 7.0)
    nodes.run(until_s=20.0)

    assert [change for change in nodes.changes if change.node == NODES[0]] == []
    assert {change.change.peer for change in nodes.changes} == {NODES[0]}
    for node in NODES[1:]:
        assert all(status.state is MemberState.ALIVE for status in nodes.detector(node).members(now=nodes.now))


@each_config
@each_seed
def test_a_restarted_node_is_trusted_again(make: MakeDetector, seed: int) -> None:
    nodes = group(make, seed)
    nodes.run(until_s=5.0)
    nodes.crash(NODES[0])
    nodes.run(until_s=10.0)
    nodes.restart(NODES[0])
    nodes.run(until_s=12.0)

    last = {change.node: type(change.change) for change in nodes.changes_about(NODES[0])}
    assert last == dict.fromkeys(NODES[1:], Trusted)


@each_config
def test_a_seed_determines_the_run(make: MakeDetector) -> None:
    def run(seed: int) -> list[object]:
        nodes = group(make, seed, LossyLink(jitter_s=0.05, loss=0.5))
        nodes.run(until_s=10.0)
        return [*nodes.changes, *(status for node in NODES for status in nodes.detector(node).members(now=nodes.now))]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_broken_link_is_no_suspicion_for_probes_because_others_relay_them() -> None:
    broken = {(NODES[0], NODES[1]), (NODES[1], NODES[0])}
    link = LossyLink(jitter_s=0.001)
    nodes = DetectorGroup(
        RttPhiConfig.local(),
        NODES,
        lambda sender, to, rng: None if (sender, to) in broken else link(sender, to, rng),
        seed=1,
    )
    nodes.run(until_s=60.0)

    assert nodes.changes == []


def test_a_slow_link_is_learned_by_round_trips() -> None:
    """n2 answers after 0.3 s, beyond the initial time-out of 0.2 s: at first it is suspected, then never again."""
    quick, slow = LossyLink(), LossyLink(delay_s=0.15, jitter_s=0.005)
    nodes = DetectorGroup(
        RttPhiConfig.local(),
        NODES,
        lambda sender, to, rng: (slow if NODES[1] in (sender, to) else quick)(sender, to, rng),
        seed=1,
    )
    nodes.run(until_s=40.0)

    assert [change for change in nodes.changes if change.time_s > 10.0 and isinstance(change.change, Suspected)] == []
