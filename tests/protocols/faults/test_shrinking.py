"""Shrinking: what is left still fails, is as small as the failure allows, and costs no more than its budget."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Fault, Outage, Partition, Shape
from coterie.protocols.faults.shrinking import FEW_FAULTS, Case, Shrunk, shrink

NODES = ("n1", "n2", "n3", "n4", "n5")
TRIES = 400


def crashes(*times: float, target: str = "n1", down_s: float = 0.0) -> list[Fault]:
    return [Crash(at_s, target, down_s=down_s) for at_s in times]


def a_case(faults: Iterable[Fault], operations: int | None = 64) -> Case:
    return Case(7, FaultPlan(NODES, tuple(faults), 20.0), operations)


def shrink_case(case: Case, fails: Callable[[Case], float | None], *, tries: int = TRIES) -> Shrunk:
    failed_at_s = fails(case)
    assert failed_at_s is not None
    return shrink(case, failed_at_s, fails, tries=tries, within_s=60.0, clock=lambda: 0.0)


def if_all(*needed: Callable[[Case], bool]) -> Callable[[Case], float | None]:
    return lambda case: 19.0 if all(need(case) for need in needed) else None


def downs(case: Case) -> list[float]:
    """What tells faults apart when their times are moved."""
    return [fault.down_s for fault in case.plan.faults if isinstance(fault, Crash)]


def with_numbers(count: int) -> list[Fault]:
    return [Crash(0.5 + number, "n1", down_s=float(number)) for number in range(count)]


def test_case_that_fails_without_faults_loses_all_of_them() -> None:
    shrunk = shrink_case(a_case(with_numbers(18)), lambda case: 0.5)

    assert shrunk.case.plan.faults == ()
    assert shrunk.case.operations == 1
    assert len(shrunk.case.plan.nodes) == 3
    assert shrunk.case.plan.ends_at_s == 0.5
    assert shrunk.is_complete


@pytest.mark.parametrize("seed", range(60))
def test_exactly_the_faults_that_matter_are_left(seed: int) -> None:
    rng = random.Random(seed)
    needed = sorted(rng.sample(range(18), rng.randint(1, 5)))
    fails = if_all(lambda case: all(number in downs(case) for number in needed))

    shrunk = shrink_case(a_case(with_numbers(18)), fails)

    assert downs(shrunk.case) == [float(number) for number in needed]
    assert shrunk.is_complete


@pytest.mark.parametrize("seed", range(60))
def test_what_is_left_of_a_capricious_failure_still_fails(seed: int) -> None:
    def fails(case: Case) -> float | None:
        return 19.0 if case == first or random.Random(f"{seed}{case}").random() < 0.2 else None

    first = a_case(with_numbers(18))
    shrunk = shrink_case(first, fails)

    assert fails(shrunk.case) == shrunk.failed_at_s
    assert len(shrunk.case.plan.faults) < 18


def test_faults_after_the_failure_go_in_one_try() -> None:
    tried: list[Case] = []

    def fails(case: Case) -> float | None:
        tried.append(case)
        return 2.0 if {0.0, 1.0} <= set(downs(case)) else None

    shrink_case(a_case(with_numbers(18)), fails)

    assert downs(tried[1]) == [0.0, 1.0]


def test_operations_and_nodes_are_as_few_as_the_failure_allows() -> None:
    fails = if_all(lambda case: (case.operations or 64) >= 5, lambda case: len(case.plan.nodes) >= 4)

    shrunk = shrink_case(a_case(crashes(1.0), operations=None), fails)

    assert shrunk.case.operations == 6
    assert len(shrunk.case.plan.nodes) == 4


def test_many_operations_are_found_if_few_do_not_suffice() -> None:
    shrunk = shrink_case(
        a_case(crashes(1.0), operations=None),
        if_all(lambda case: case.operations is None or case.operations >= 300),
    )

    assert shrunk.case.operations == 512


def test_what_makes_later_tries_cheaper_is_tried_before_any_fault_is_dropped() -> None:
    tried: list[Case] = []

    def fails(case: Case) -> float | None:
        tried.append(case)
        return max((fault.at_s for fault in case.plan.faults), default=0.0) if len(case.plan.faults) >= 15 else None

    shrink_case(a_case(with_numbers(18), operations=None), fails)

    first = next(case for case in tried if len(case.plan.faults) < 18)
    before = tried[tried.index(first) - 1]
    assert before.operations == 50
    assert len(before.plan.nodes) == 3
    assert before.plan.ends_at_s < 2.0


def test_node_goes_with_the_faults_that_name_it() -> None:
    fails = if_all(lambda case: any(isinstance(fault, Partition) for fault in case.plan.faults))
    faults = [*crashes(1.0, target="n4"), Partition(2.0, 1.0, Shape.HALVES, "n5", ("n2",))]

    shrunk = shrink_case(a_case(faults), fails)

    assert len(shrunk.case.plan.nodes) == 3
    assert {"n5", "n2"} <= set(shrunk.case.plan.nodes)


def test_faults_come_earlier_and_closer_with_round_times() -> None:
    def fails(case: Case) -> float | None:
        times = [fault.at_s for fault in case.plan.faults]
        return times[1] if len(times) == 2 and times[1] - times[0] >= 0.25 and times[0] >= 1.0 else None

    shrunk = shrink_case(a_case(crashes(8.123456, 16.654321)), fails)

    first, second = (fault.at_s for fault in shrunk.case.plan.faults)
    assert 1.0 <= first < 2.0
    assert 0.25 <= second - first < 0.6
    assert first == round(first, 3)
    assert shrunk.case.plan.ends_at_s < 3.0


def test_other_seeds_are_tried_only_while_many_faults_are_left() -> None:
    seeds: list[int] = []

    def fails(case: Case) -> float | None:
        seeds.append(case.seed)
        return 19.0 if len(case.plan.faults) == 18 or case.seed == 9 else None

    shrunk = shrink_case(a_case(with_numbers(18)), fails)

    assert shrunk.case.plan.faults == ()
    assert shrunk.case.seed == 9
    assert seeds.index(9) > seeds.index(8) > 10

    few = shrink_case(a_case(with_numbers(FEW_FAULTS)), if_all(lambda case: len(case.plan.faults) == FEW_FAULTS))
    assert few.case.seed == 7


def test_budget_of_tries_is_kept_and_said() -> None:
    tries = 0

    def fails(case: Case) -> float | None:
        nonlocal tries
        tries += 1
        return 19.0 if set(range(9)) <= set(downs(case)) else None

    shrunk = shrink_case(a_case(with_numbers(18)), fails, tries=5)

    assert tries == 1 + 5 == 1 + shrunk.tries
    assert not shrunk.is_complete
    assert fails(shrunk.case) is not None


def test_time_is_up_after_the_try_that_is_under_way() -> None:
    now_s = 0.0

    def fails(case: Case) -> float | None:
        nonlocal now_s
        now_s += 10.0
        return 19.0 if len(case.plan.faults) == 18 else None

    shrunk = shrink(a_case(with_numbers(18)), 19.0, fails, tries=TRIES, within_s=25.0, clock=lambda: now_s)

    assert shrunk.tries == 3
    assert not shrunk.is_complete


def test_no_case_is_run_twice() -> None:
    tried: list[Case] = []

    def fails(case: Case) -> float | None:
        tried.append(case)
        return 19.0 if {3.0, 11.0} <= set(downs(case)) else None

    shrink(a_case(with_numbers(18)), 19.0, fails, tries=TRIES, within_s=60.0, clock=lambda: 0.0)

    assert len(tried) == len(dict.fromkeys(tried))


def test_candidate_beyond_the_budget_of_faults_does_not_count_as_failing() -> None:
    def fails(case: Case) -> float | None:
        if len(case.plan.nodes) < 5:
            raise PlanError("too many wiped disks for so few nodes")
        return 19.0

    assert len(shrink_case(a_case(with_numbers(3)), fails).case.plan.nodes) == 5


def test_seconds_are_cut_to_few_decimals_but_none_to_zero() -> None:
    fails = if_all(lambda case: len(case.plan.faults) == 2 and case.plan.faults[0].at_s >= 0.4)
    faults: list[Fault] = [Crash(0.45678, "n1", delay_s=0.00012, down_s=1.23456), Outage(0.45678, (0.00012, 1.23456))]

    shrunk = shrink_case(a_case(faults), fails)

    assert shrunk.case.plan.faults == (
        Crash(0.4, "n1", delay_s=0.00012, down_s=1.2),
        Outage(0.4, (0.00012, 1.2)),
    )


def test_cases_are_announced_before_they_are_tried() -> None:
    announced: list[Case] = []
    tried: list[Case] = []

    def fails(case: Case) -> float | None:
        tried.append(case)
        return 19.0 if {3.0, 11.0} <= set(downs(case)) else None

    shrink(
        a_case(with_numbers(18)), 19.0, fails, tries=TRIES, within_s=60.0, clock=lambda: 0.0, prefetch=announced.extend
    )

    assert all(case in announced for case in tried)
