"""`AnswerRecord`: silence counts from the last answer, and not while this process stood still."""

from __future__ import annotations

import pytest

from coterie.supervision.answer_record import AnswerRecord


def test_rounds_add_up_until_the_next_answer() -> None:
    record = AnswerRecord(1.0)
    for _ in range(3):
        record.passed(0.5)
    silent_s = record.silent_s
    record.answered()

    assert silent_s == pytest.approx(1.5)
    assert (record.silent_s, record.has_answered) == (0.0, True)


def test_a_stall_of_this_process_counts_no_more_than_a_round() -> None:
    record = AnswerRecord(1.0)

    record.passed(3600.0)

    assert record.silent_s == 1.0


def test_questions_are_repeated_ever_more_rarely_while_none_is_answered() -> None:
    record = AnswerRecord(1.0)
    asked_at = []
    for round_number in range(1200):
        if record.is_question_due:
            record.asked()
            asked_at.append(round_number / 2)
        record.passed(0.5)

    assert asked_at == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]


def test_an_answered_or_a_lost_question_is_followed_by_the_next_at_once() -> None:
    record = AnswerRecord(1.0)
    record.asked()
    due = [record.is_question_due]
    record.answered()
    due.append(record.is_question_due)
    record.asked()
    record.lost()
    due.append(record.is_question_due)

    assert due == [False, True, True]


def test_the_next_process_has_neither_answered_nor_been_silent() -> None:
    record = AnswerRecord(1.0)
    record.answered()
    record.passed(1.0)

    record.restarted()

    assert (record.silent_s, record.has_answered, record.is_question_due) == (0.0, False, True)


def test_a_fenced_node_returns_with_its_first_answer_and_a_second_fence_does_not_begin_anew() -> None:
    record = AnswerRecord(1.0)
    seen = [record.returning_s]
    record.fenced()
    seen.append(record.returning_s)
    record.passed(0.5)
    record.restarted()
    record.fenced()
    seen.append(record.returning_s)
    record.answered()
    seen.append(record.returning_s)

    assert seen == [None, 0.0, 0.5, None]
