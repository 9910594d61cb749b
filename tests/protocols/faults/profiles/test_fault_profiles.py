"""Profiles draw plans that follow from the generator, fit their level and keep to the budget."""

from __future__ import annotations

import random

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    KINDS,
    Attack,
    Crash,
    Flap,
    HostileClient,
    Level,
    Partition,
    Shape,
    TargetRole,
    WipedDisk,
)
from coterie.protocols.faults.plan_format import dump_plan, load_plan
from coterie.protocols.faults.profiles.fault_profiles import PROFILES, draw_plan, is_live, profile_named

NODES = ("n1", "n2", "n3", "n4", "n5")


def plans(name: str, count: int = 40, *, level: Level = Level.PROTOCOL, duration_s: float = 20.0) -> list[FaultPlan]:
    return [draw_plan(name, random.Random(seed), NODES, duration_s, level=level) for seed in range(count)]


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("name", PROFILES)
def test_plans_fit_their_level_and_budget_and_survive_the_codec(name: str, level: Level) -> None:
    for plan in plans(name, level=level):
        plan.check_level(level)
        check_budget(plan)
        assert plan.profile == name
        assert load_plan(dump_plan(plan)) == plan
        assert all(fault.at_s <= 18.0 for fault in plan.faults)


def test_plan_follows_from_its_generator() -> None:
    assert plans("everything", 3) == plans("everything", 3)
    assert plans("everything", 2)[0] != plans("everything", 2)[1]


def test_calm_has_no_faults_and_the_others_have_many() -> None:
    assert [plan.faults for plan in plans("calm", 3)] == [()] * 3
    assert all(len(plan.faults) >= 12 for name in PROFILES if name != "calm" for plan in plans(name, 5))


@pytest.mark.parametrize("level", Level)
def test_everything_draws_every_kind_of_its_level(level: Level) -> None:
    drawn = {fault.KIND for plan in plans("everything", 300, level=level) for fault in plan.faults}

    of_level = {name for name, owner in KINDS.items() if level in owner.LEVELS}
    assert drawn == of_level - {"hostile_client"}  # clients that attack have a profile of their own


def test_clients_of_the_byzantine_profile_attack_in_every_way_and_every_node() -> None:
    hostile = [
        fault
        for plan in plans("byzantine-client", level=Level.SYSTEM)
        for fault in plan.faults
        if isinstance(fault, HostileClient)
    ]

    assert {fault.attack for fault in hostile} == set(Attack)
    assert {fault.target for fault in hostile} == set(NODES)
    assert len({fault.seed for fault in hostile}) == len(hostile) > 10 * 40
    assert is_live(plans("byzantine-client", 1)[0])


def test_partitions_come_in_every_shape_with_a_minority_on_the_side_of_the_target() -> None:
    faults = [fault for plan in plans("flaky-network") for fault in plan.faults if isinstance(fault, Partition)]

    assert {fault.shape for fault in faults} == set(Shape)
    assert {len(fault.others) for fault in faults if fault.shape is Shape.HALVES} == {2}


def test_most_crashes_are_aimed_and_most_restarts_come_within_five_milliseconds() -> None:
    crashes = [fault for plan in plans("everything") for fault in plan.faults if isinstance(fault, Crash)]

    assert sum(fault.role is not TargetRole.ANY for fault in crashes) > 0.7 * len(crashes)
    assert 0.4 * len(crashes) < sum(fault.down_s <= 0.005 for fault in crashes) < 0.8 * len(crashes)


def test_nodes_stay_down_for_minutes_where_plans_last_for_minutes() -> None:
    longest = [
        max(
            fault.down_s for plan in plans("crashes", duration_s=s) for fault in plan.faults if isinstance(fault, Crash)
        )
        for s in (20.0, 300.0)
    ]

    assert longest[0] <= 1.5
    assert longest[1] >= 60.0


def test_links_flap_near_the_election_time_out() -> None:
    periods = [fault.period_s for plan in plans("raft") for fault in plan.faults if isinstance(fault, Flap)]

    assert 0.1 <= min(periods) < 0.3 < 0.4 < max(periods) <= 0.8


def test_only_beyond_the_budget_a_majority_forgets_and_nothing_is_expected_to_answer() -> None:
    wiped = [
        len({fault.target for fault in plan.faults if isinstance(fault, WipedDisk)}) for plan in plans("beyond-budget")
    ]

    assert max(wiped) >= 3
    assert not is_live(plans("beyond-budget", 1)[0])
    assert is_live(plans("everything", 1)[0])
    assert is_live(FaultPlan(NODES, (), 1.0))


def test_few_nodes_get_what_there_is_for_them() -> None:
    plan = draw_plan("everything", random.Random(1), ("n1",), 20.0, level=Level.PROTOCOL)
    assert not any(isinstance(fault, (Partition, WipedDisk)) for fault in plan.faults)


def test_unknown_profile_is_named_with_the_nearest() -> None:
    with pytest.raises(PlanError, match=r"no profile 'flaky_network': did you mean 'flaky-network'\?"):
        profile_named("flaky_network")
    with pytest.raises(PlanError, match=r"no profile 'x': there are calm, flaky-network, "):
        draw_plan("x", random.Random(1), NODES, 20.0, level=Level.SYSTEM)
