"""The judge sees every way in which a cluster could be wrong: each test breaks one thing in a perfect result."""

from __future__ import annotations

from dataclasses import replace

from coterie.demo.count_comparison import Difference, PlainCount, judge
from coterie.demo.store_keys import Found

FILES = ("a.py", "b.py", "bad.py")
PLAIN = PlainCount(frozenset(FILES), frozenset({"bad.py"}), {"self": 7, "x": 2})
PERFECT = Found({"self": 7, "x": 2}, {"a.py": 1, "b.py": 1, "bad.py": 1}, frozenset({"bad.py"}))


def test_judge_calls_equal_results_identical() -> None:
    judgement = judge(PLAIN, FILES, PERFECT)

    assert judgement.is_identical


def test_judge_sees_a_lost_file_although_its_totals_are_right() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, markers={"a.py": 1, "bad.py": 1}))

    assert judgement.lost == ("b.py",)
    assert not judgement.is_identical


def test_judge_sees_a_lost_file_whose_marker_is_zero() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "b.py": 0}))

    assert judgement.lost == ("b.py",)
    assert not judgement.is_identical


def test_judge_sees_a_doubled_file_although_its_totals_are_right() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "a.py": 2}))

    assert judgement.duplicated == ("a.py",)
    assert not judgement.is_identical


def test_judge_sees_a_wrong_total() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, totals={"self": 8, "x": 2}))

    assert judgement.wrong == (Difference("self", plain=7, cluster=8),)
    assert not judgement.is_identical


def test_judge_sees_an_extra_identifier() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, totals={**PERFECT.totals, "ghost": 1}))

    assert judgement.wrong == (Difference("ghost", plain=0, cluster=1),)


def test_judge_sees_a_missing_identifier() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, totals={"self": 7}))

    assert judgement.wrong == (Difference("x", plain=2, cluster=0),)


def test_judge_sees_a_file_that_only_the_plain_count_found() -> None:
    judgement = judge(replace(PLAIN, files=PLAIN.files | {"c.py"}), FILES, PERFECT)

    assert judgement.foreign == ("c.py",)
    assert not judgement.is_identical


def test_judge_sees_a_marker_of_a_file_that_was_never_sent() -> None:
    judgement = judge(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "c.py": 1}))

    assert judgement.foreign == ("c.py",)
    assert not judgement.is_identical


def test_judge_sees_a_file_that_one_side_alone_skipped() -> None:
    only_cluster = judge(PLAIN, FILES, replace(PERFECT, skipped=frozenset({"bad.py", "a.py"})))
    only_plain = judge(PLAIN, FILES, replace(PERFECT, skipped=frozenset()))

    assert only_cluster.skipped_apart == ("a.py",)
    assert only_plain.skipped_apart == ("bad.py",)
    assert not only_cluster.is_identical
    assert not only_plain.is_identical
