"""OwnPauses: a late timer is a pause of this process, and no moment is counted twice."""

from __future__ import annotations

from coterie.protocols.detection.own_pauses import OwnPauses


def test_a_timer_that_is_late_within_the_tolerance_is_no_pause() -> None:
    pauses = OwnPauses(0.1)

    assert pauses.late(0.1, now=10.0) == 0.0
    assert pauses.late(-1.0, now=10.0) == 0.0
    assert pauses.late(0.2, now=10.0) == 0.2


def test_two_timers_that_were_late_for_one_reason_count_once() -> None:
    pauses = OwnPauses(0.1)

    assert pauses.late(5.0, now=10.0) == 5.0
    assert pauses.late(4.9, now=10.0) == 0.0
    assert pauses.late(4.9, now=10.05) == 0.0
    assert pauses.late(5.0, now=11.0) == 1.0


def test_a_timer_that_was_due_earlier_adds_the_part_before_the_other() -> None:
    pauses = OwnPauses(0.1)

    assert pauses.late(2.0, now=10.0) == 2.0
    assert pauses.late(3.5, now=10.0) == 1.5
    assert pauses.late(3.5, now=10.0) == 0.0
    assert pauses.late(1.0, now=20.0) == 1.0
