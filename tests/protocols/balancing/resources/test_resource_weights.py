from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from coterie.protocols.balancing import Balancer, LoadReport, NodeResources, RequestOutcome, Target
from coterie.protocols.balancing.resources import OrleansScore, RemainingCapacity, ResourceWeights

TWO_NODES = [Target("a1", node="a"), Target("a2", node="a"), Target("b1", node="b")]


def make(targets: list[Target], **settings: Any) -> Balancer:
    balancer = Balancer(ResourceWeights(**settings), rng=random.Random(1))
    balancer.update(targets, now=0.0)
    return balancer


def free(capacity: float) -> LoadReport:
    return LoadReport(resources=NodeResources(loop_used_elsewhere=1.0 - capacity))


def report(balancer: Balancer, target: str, load: LoadReport | None, *, now: float) -> None:
    others = {status.target for status in balancer.statuses(now=now)} - {target}
    pick = balancer.pick(now=now, exclude=others)
    assert pick is not None
    balancer.report(pick.token, RequestOutcome.ANSWERED, now=now, load=load)


def picks(balancer: Balancer, *, now: float, count: int = 1000) -> Counter[str]:
    return Counter(pick.target for _ in range(count) if (pick := balancer.pick(now=now, expires_at=now + 1e9)))


def shares(balancer: Balancer, *, now: float) -> dict[str, float | None]:
    balancer.pick(now=now)
    return {status.target: status.wanted_share for status in balancer.statuses(now=now)}


@pytest.mark.parametrize(
    ("field", "value"),
    [("smoothing_s", -1.0), ("probe_interval_s", 0.0), ("probe_timeout_s", float("inf")), ("expiry_s", 1.0),
     ("min_part", 1.1)],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_and_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        ResourceWeights(**{field: value})  # type: ignore[arg-type]


def test_a_report_of_one_target_counts_for_all_of_its_node_which_share_its_capacity() -> None:
    balancer = make(TWO_NODES)
    report(balancer, "a1", free(0.5), now=0.0)
    report(balancer, "b1", free(1.0), now=0.0)

    assert shares(balancer, now=0.2) == pytest.approx({"a1": 1 / 6, "a2": 1 / 6, "b1": 2 / 3}, abs=0.001)
    assert picks(balancer, now=0.2, count=6000) == pytest.approx({"a1": 1000, "a2": 1000, "b1": 4000}, abs=20)


def test_capacities_are_multiplied_by_the_configured_weights() -> None:
    balancer = make([Target("a", 3.0), Target("b", 1.0)])
    report(balancer, "a", free(0.5), now=0.0)
    report(balancer, "b", free(1.0), now=0.0)

    assert shares(balancer, now=0.2) == pytest.approx({"a": 0.6, "b": 0.4}, abs=0.001)


def test_without_reports_the_configured_weights_count_alone() -> None:
    balancer = make([Target("a", 3.0), Target("b", 1.0)])

    assert shares(balancer, now=0.0) == pytest.approx({"a": 0.75, "b": 0.25}, abs=0.001)
    assert balancer.statuses(now=0.0)[0].state == "no report of its node: mean weight"


def test_a_weight_follows_a_jump_with_the_time_constant() -> None:
    """After one time constant 63 % of the way from 1 to 0.2, after three 95 %."""
    balancer = make([Target("a"), Target("b")], smoothing_s=1.0)
    for target in ("a", "b"):
        report(balancer, target, free(1.0), now=0.0)
    shares(balancer, now=0.2)
    for step in range(2, 21):
        report(balancer, "a", free(0.2), now=step / 5)
        report(balancer, "b", free(1.0), now=step / 5)
        capacity = float(balancer._picker._nodes["a"].capacity)  # type: ignore[attr-defined]
        if step == 6:
            assert capacity == pytest.approx(1 - 0.8 * (1 - 2.718281828**-1), abs=0.1)
        if step == 17:
            assert capacity == pytest.approx(0.2 + 0.8 * 0.05, abs=0.02)


def test_a_new_node_gets_the_mean_until_it_reports() -> None:
    balancer = make([Target("a"), Target("b")])
    report(balancer, "a", free(0.2), now=0.0)
    report(balancer, "b", free(0.6), now=0.0)
    balancer.update([Target("a"), Target("b"), Target("c")], now=0.2)

    assert shares(balancer, now=0.3) == pytest.approx({"a": 0.2 / 1.2, "b": 0.5, "c": 0.4 / 1.2}, abs=0.001)
    report(balancer, "c", free(1.0), now=0.3)
    assert shares(balancer, now=0.5)["c"] == pytest.approx(1.0 / 1.8, abs=0.001)


def test_the_weight_of_a_silent_node_expires_with_an_event() -> None:
    balancer = make([Target("a"), Target("b")], expiry_s=5.0)
    report(balancer, "a", free(0.1), now=0.0)
    for second in range(6):
        report(balancer, "b", free(1.0), now=second)

    assert shares(balancer, now=5.2) == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.001)
    events = balancer.observations()
    assert [(it.event, it.facts["node"]) for it in events] == [("balancing.weight_expired", "a")]


def test_a_node_that_left_and_came_back_starts_without_its_old_weight() -> None:
    balancer = make([Target("a"), Target("b")])
    report(balancer, "a", free(0.1), now=0.0)
    report(balancer, "b", free(1.0), now=0.0)
    balancer.update([Target("b")], now=0.5)
    balancer.update([Target("a"), Target("b")], now=1.0)

    assert shares(balancer, now=1.1)["a"] == pytest.approx(0.5, abs=0.001)


def test_silent_nodes_are_probed_one_target_of_each_and_reports_postpone_it() -> None:
    balancer = make(TWO_NODES, probe_interval_s=1.0)
    first = balancer.tick(now=0.0)
    assert sorted(probe.target[0] for probe in first) == ["a", "b"]
    assert balancer.deadline == 1.0
    for probe in first:
        balancer.probed(probe, free(0.5), now=0.1)
    assert balancer.tick(now=1.0) == []
    assert balancer.deadline == pytest.approx(1.1)

    report(balancer, "b1", free(0.5), now=0.9)
    second = balancer.tick(now=1.1)
    assert [probe.target[0] for probe in second] == ["a"]
    assert len({probe.number for probe in (*first, *second)}) == 3


def test_all_targets_of_a_node_are_probed_sooner_or_later() -> None:
    balancer = make(TWO_NODES)

    assert {probe.target for second in range(40) for probe in balancer.tick(now=second)} == {"a1", "a2", "b1"}


def test_a_probe_without_an_answer_or_of_a_target_that_left_changes_nothing() -> None:
    balancer = make(TWO_NODES)
    probes = balancer.tick(now=0.0)
    balancer.update(TWO_NODES[:2], now=0.1)
    for probe in probes:
        balancer.probed(probe, None, now=0.2)
        balancer.probed(probe, free(0.1) if probe.target == "b1" else None, now=0.2)

    assert shares(balancer, now=0.5) == pytest.approx({"a1": 0.5, "a2": 0.5})


def test_a_report_in_which_nothing_was_measured_is_none() -> None:
    balancer = make([Target("a"), Target("b")])
    report(balancer, "a", LoadReport(resources=NodeResources(actors=3)), now=0.0)
    report(balancer, "a", LoadReport(), now=0.0)
    report(balancer, "b", free(0.3), now=0.0)

    assert shares(balancer, now=0.2) == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.001)


def test_an_exhausted_node_keeps_a_small_part_and_all_exhausted_is_by_configured_weight() -> None:
    balancer = make([Target("a"), Target("b")], min_part=0.02)
    report(balancer, "a", free(0.0), now=0.0)
    report(balancer, "b", free(1.0), now=0.0)
    assert shares(balancer, now=0.2)["a"] == pytest.approx(0.02 / 1.02, abs=0.001)

    both = make([Target("a", 3.0), Target("b")])
    for target in ("a", "b"):
        report(both, target, free(0.0), now=0.0)
    assert shares(both, now=0.2)["a"] == pytest.approx(0.75, abs=0.001)


def test_the_formula_can_be_swapped() -> None:
    report_of_a = LoadReport(resources=NodeResources(cpu_used=1.0, loop_used_elsewhere=0.0, memory_used=0.0))
    report_of_b = LoadReport(resources=NodeResources(cpu_used=0.0, loop_used_elsewhere=0.0, memory_used=0.0))
    wanted = []
    for formula in (OrleansScore(memory_available=0, memory_maximum=0, actors=0), RemainingCapacity()):
        balancer = make([Target("a"), Target("b")], formula=formula)
        report(balancer, "a", report_of_a, now=0.0)
        report(balancer, "b", report_of_b, now=0.0)
        wanted.append(shares(balancer, now=0.2)["a"])

    assert wanted == pytest.approx([0.25, 0.5], abs=0.001)


def test_the_explanation_names_the_share_and_what_the_node_reported() -> None:
    balancer = make([Target("a")])
    balancer.pick(now=0.0)
    assert "its node has not reported" in balancer.explain()
    report(balancer, "a", LoadReport(resources=NodeResources(loop_used_elsewhere=0.4, cpu_granted=0.5)), now=0.0)
    balancer.pick(now=0.2)

    assert balancer.explain().endswith("capacity of 0.3 (loop used elsewhere 40%, processor granted 50%)")


def test_no_targets_and_all_excluded() -> None:
    balancer = make([])
    assert balancer.pick(now=0.0) is None
    assert balancer.deadline is None
    assert balancer.explain() == "there are no targets"
    balancer.update([Target("a")], now=0.0)
    assert balancer.pick(now=0.0, exclude={"a"}) is None
