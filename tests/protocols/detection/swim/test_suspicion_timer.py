"""A suspicion lasts as long as Lifeguard's formula says, and shrinks with independent confirmations only."""

from __future__ import annotations

from itertools import pairwise

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.suspicion_timer import SuspicionTimer, suspicion_min_s


def _timer(confirmations: int, min_s: float = 4.0, max_s: float = 24.0) -> SuspicionTimer:
    return SuspicionTimer(NodeId("a"), confirmations=confirmations, min_s=min_s, max_s=max_s, now=100.0)


@pytest.mark.parametrize(
    ("k", "timeouts_s"),
    [
        # max - (max - min) * ln(c + 1) / ln(k + 1), with min 4 and max 24:
        (1, [24.0, 4.0]),  # ln 1 = 0; ln 2 / ln 2 = 1
        (2, [24.0, 11.381405, 4.0]),  # 24 - 20 * 0.6931472 / 1.0986123 = 24 - 12.618595
        (3, [24.0, 14.0, 8.150375, 4.0]),  # 24 - 20 * 0.5; 24 - 20 * 1.0986123 / 1.3862944
    ],
)
def test_timeout_follows_the_formula_for_each_number_of_confirmations(k: int, timeouts_s: list[float]) -> None:
    timer = _timer(k)
    seen = [timer.timeout_s]
    for accuser in "bcd"[:k]:
        assert timer.confirm(NodeId(accuser))
        seen.append(timer.timeout_s)
    assert seen == pytest.approx(timeouts_s, abs=1e-6)
    assert timer.ends_at == 100.0 + timer.timeout_s


def test_without_confirmations_to_wait_for_it_lasts_the_minimum() -> None:
    assert _timer(0).timeout_s == 4.0


def test_an_accuser_counts_once_and_the_first_accuser_is_no_confirmation() -> None:
    timer = _timer(3)
    assert not timer.confirm(NodeId("a"))
    assert timer.confirm(NodeId("b"))
    assert not timer.confirm(NodeId("b"))
    assert timer.timeout_s == pytest.approx(14.0)


def test_more_confirmations_than_needed_change_nothing_and_are_not_kept() -> None:
    timer = _timer(1)
    for number in range(100):
        timer.confirm(NodeId(f"n{number}"))
    assert timer.timeout_s == 4.0
    assert len(timer.accusers) == 2


def test_timeout_never_grows_with_confirmations() -> None:
    timer = _timer(8)
    timeouts = [timer.timeout_s]
    for number in range(10):
        timer.confirm(NodeId(f"n{number}"))
        timeouts.append(timer.timeout_s)
    assert all(later <= earlier for earlier, later in pairwise(timeouts))


@pytest.mark.parametrize(("members", "min_s"), [(1, 8.0), (10, 8.0), (100, 16.0), (1000, 24.0)])
def test_minimum_grows_with_the_logarithm_of_the_members(members: int, min_s: float) -> None:
    assert suspicion_min_s(4.0, members, 2.0) == pytest.approx(min_s)


def test_inquiries_are_spread_over_the_last_part_and_the_end_follows() -> None:
    timer = SuspicionTimer(NodeId("a"), confirmations=0, min_s=10.0, max_s=10.0, now=0.0, inquiries=4)
    times = []
    while timer.next_at < timer.ends_at:
        times.append(timer.next_at)
        assert not timer.inquire(now=timer.next_at - 0.001)
        assert timer.inquire(now=timer.next_at)
    assert times == pytest.approx([6.0, 7.0, 8.0, 9.0])
    assert not timer.inquire(now=timer.ends_at)


def test_inquiries_that_became_overdue_are_one_and_come_before_the_end() -> None:
    timer = SuspicionTimer(NodeId("a"), confirmations=1, min_s=10.0, max_s=100.0, now=0.0, inquiries=4)
    assert timer.confirm(NodeId("b"))
    assert timer.inquire(now=50.0)
    assert not timer.inquire(now=50.0)
    assert timer.next_at == timer.ends_at
