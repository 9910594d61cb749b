"""`AnswerRecord`: silence is counted in rounds, and not while this process stood still."""

from __future__ import annotations

import pytest

from coterie.supervision.answer_record import AnswerRecord


def test_missed_rounds_add_up_until_the_next_answer() -> None:
    record = AnswerRecord(3.0)
    for _ in range(3):
        record.missed(2.5)
    silent_s = record.silent_s
    record.answered()

    assert silent_s == pytest.approx(7.5)
    assert record.silent_s == 0.0


def test_a_stall_of_this_process_counts_no_more_than_a_round() -> None:
    record = AnswerRecord(3.0)

    record.missed(3600.0)

    assert record.silent_s == 3.0
