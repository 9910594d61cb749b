"""The comparison finds every way in which a cluster could be wrong: each test breaks one thing in a perfect result."""

from __future__ import annotations

from dataclasses import replace

from coterie.demo.count_comparison import Difference, PlainCount, compare
from coterie.demo.store_keys import StoredCounts

FILES = ("a.py", "b.py", "bad.py")
PLAIN = PlainCount(frozenset(FILES), frozenset({"bad.py"}), {"self": 7, "x": 2})
PERFECT = StoredCounts({"self": 7, "x": 2}, {"a.py": 1, "b.py": 1, "bad.py": 1}, frozenset({"bad.py"}))


def test_equal_results_are_identical() -> None:
    comparison = compare(PLAIN, FILES, PERFECT)

    assert comparison.is_identical


def test_comparison_finds_a_lost_file_although_its_totals_are_right() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, markers={"a.py": 1, "bad.py": 1}))

    assert comparison.lost == ("b.py",)
    assert not comparison.is_identical


def test_comparison_finds_a_lost_file_whose_marker_is_zero() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "b.py": 0}))

    assert comparison.lost == ("b.py",)
    assert not comparison.is_identical


def test_comparison_finds_a_doubled_file_although_its_totals_are_right() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "a.py": 2}))

    assert comparison.duplicated == ("a.py",)
    assert not comparison.is_identical


def test_comparison_finds_a_wrong_total() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, totals={"self": 8, "x": 2}))

    assert comparison.wrong == (Difference("self", plain=7, cluster=8),)
    assert not comparison.is_identical


def test_comparison_finds_an_extra_identifier() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, totals={**PERFECT.totals, "ghost": 1}))

    assert comparison.wrong == (Difference("ghost", plain=0, cluster=1),)


def test_comparison_finds_a_missing_identifier() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, totals={"self": 7}))

    assert comparison.wrong == (Difference("x", plain=2, cluster=0),)


def test_comparison_finds_a_file_that_only_the_plain_count_found() -> None:
    comparison = compare(replace(PLAIN, files=PLAIN.files | {"c.py"}), FILES, PERFECT)

    assert comparison.foreign == ("c.py",)
    assert not comparison.is_identical


def test_comparison_finds_a_marker_of_a_file_that_was_never_sent() -> None:
    comparison = compare(PLAIN, FILES, replace(PERFECT, markers={**PERFECT.markers, "c.py": 1}))

    assert comparison.foreign == ("c.py",)
    assert not comparison.is_identical


def test_comparison_finds_a_file_that_one_side_alone_skipped() -> None:
    only_cluster = compare(PLAIN, FILES, replace(PERFECT, skipped=frozenset({"bad.py", "a.py"})))
    only_plain = compare(PLAIN, FILES, replace(PERFECT, skipped=frozenset()))

    assert only_cluster.skipped_apart == ("a.py",)
    assert only_plain.skipped_apart == ("bad.py",)
    assert not only_cluster.is_identical
    assert not only_plain.is_identical
