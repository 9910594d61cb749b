"""Plans are data that follows from the seed."""

from __future__ import annotations

import random

from coterie.protocols.simulation.plan import Aim, Crash, Partition, Plan, Shape, random_plan


def plans(count: int, nodes: int = 5) -> list[Plan]:
    return [random_plan(random.Random(seed), nodes=nodes, faults=20, duration_s=10.0) for seed in range(count)]


def test_plan_follows_from_its_seed() -> None:
    assert plans(3) == plans(3)
    assert plans(2)[0] != plans(2)[1]


def test_plan_is_ordered_and_within_its_time() -> None:
    for plan in plans(20):
        times = [fault.at_s for fault in plan.faults]
        assert times == sorted(times)
        assert len(times) == 20
        assert 0 <= times[0] < times[-1] <= 9.0 < plan.ends_at_s


def test_plans_know_every_kind_of_fault() -> None:
    kinds = sorted(dict.fromkeys(kind for plan in plans(40) for kind in plan.kinds()))

    shapes = [f"partition.{shape.value}" for shape in Shape]
    assert kinds == sorted(["crash", "outage", "pause", "slow_disk", "storm", *shapes])


def test_most_crashes_are_aimed_and_most_restarts_come_within_five_milliseconds() -> None:
    crashes = [fault for plan in plans(40) for fault in plan.faults if isinstance(fault, Crash)]

    aimed = [fault for fault in crashes if fault.aim is not Aim.ANYONE]
    fast = [fault for fault in crashes if fault.down_s <= 0.005]
    assert len(aimed) > 0.7 * len(crashes)
    assert 0.35 * len(crashes) < len(fast) < 0.65 * len(crashes)


def test_one_side_of_a_partition_is_a_minority_with_the_victim_in_it() -> None:
    for plan in plans(40):
        for fault in plan.faults:
            if isinstance(fault, Partition):
                assert fault.victim not in fault.others
                assert len(fault.others) == 2
