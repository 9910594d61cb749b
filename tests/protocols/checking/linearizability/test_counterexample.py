"""What a counterexample says."""

from __future__ import annotations

from coterie.protocols.checking.linearizability import (
    UNKNOWN,
    AppendList,
    CheckResult,
    Counter,
    Counterexample,
    KeyValue,
    check,
)
from tests.protocols.checking.linearizability.histories import Line, told

STALE: tuple[Line, ...] = (
    ("c1", ("put", 1), None, 0.1, 0.2),
    ("c2", ("put", 2), None, 0.3, 0.4),
    ("c3", ("get",), 2, 0.5, 0.6),
    ("c3", ("get",), 1, 0.7, 0.8),
    ("c4", ("put", 9), None, 0.9, 1.0),
)


def example_of(result: CheckResult) -> Counterexample:
    assert result.counterexample is not None
    return result.counterexample


def test_a_stale_read_is_described() -> None:
    result = check(told(*STALE), KeyValue())
    assert result.text.splitlines() == [
        "violation: 5 operations, 4 steps",
        "no order explains these 3 operations:",
        "  c1  put(1) -> None  0.1 … 0.2 s",
        "  c3  get() -> 2      0.5 … 0.6 s",
        "  c3  get() -> 1      0.7 … 0.8 s",
        "even if all other operations before (1) happened late, or never;",
        "an order that goes as far as any:",
        "  put(1) -> None  by c1",
        "  put(2) -> None  by c2, one of the others",
        "  get() -> 2  by c3",
        "then get() -> 1 by c3 had to happen before it returned at 0.8 s, but the only reachable states were: 2",
    ]


def test_a_value_from_nowhere_needs_nobody_else() -> None:
    example = example_of(check(told(*STALE[:3], ("c5", ("get",), 7, 0.65, 0.75), *STALE[4:]), KeyValue()))
    assert [it.client for it in example.operations] == ["c5"]
    assert "a value that no operation saw" in example.states


def test_of_a_long_history_only_the_conflict_is_left() -> None:
    increments: list[Line] = [("a", ("increment",), None, n + 0.1, n + 0.2) for n in range(100)]
    reads: list[Line] = [("b", ("read",), n + 1, n + 0.3, n + 0.4) for n in range(100)]
    reads[60] = ("b", ("read",), 60, 60.3, 60.4)
    example = example_of(check(told(*increments, *reads), Counter()))
    assert [(it.client, it.output) for it in example.operations] == [("b", 60), ("a", None), ("b", 60)]
    assert example.is_minimal


def test_a_read_that_lacks_what_an_earlier_one_showed_is_told_with_both() -> None:
    appends: list[Line] = [("a", ("append", n), None, n + 0.1, n + 0.2) for n in range(5)]
    lines: list[Line] = [*appends, ("b", ("read",), (0, 2, 1, 3, 4), 7.0, 8.0)]
    example = example_of(check(told(*lines), AppendList()))
    assert ("read",) in [it.input for it in example.operations]
    assert len(example.operations) < 5


def test_too_little_budget_to_cut_leaves_more_and_says_so() -> None:
    lines: list[Line] = [("a", ("increment",), n + 1, n + 0.1, n + 0.2) for n in range(40)]
    result = check(told(*lines, ("b", ("increment",), 40, 50.0, 51.0)), Counter(), budget=42)
    example = example_of(result)
    assert not example.is_minimal
    assert "perhaps not the fewest" in example.text
    assert "  … " in example.text
    assert len(example.text.splitlines()) < 50


def test_an_operation_of_unknown_outcome_is_never_part_of_the_conflict() -> None:
    lost: Line = ("c9", ("put", 5), UNKNOWN, 0.05, None)
    example = example_of(check(told(lost, *STALE), KeyValue()))
    assert "c9" in [it.client for it in example.free]
    assert "c9" not in [it.client for it in example.operations]


def test_the_state_at_the_end_of_the_order_is_told_as_it_was() -> None:
    lines: tuple[Line, ...] = (("a", ("put", "unseen"), None, 0.0, 1.0), ("b", ("get",), None, 2.0, 3.0))
    assert example_of(check(told(*lines), KeyValue())).states == ["'unseen'"]


def test_a_conflict_of_one_operation_is_told_in_the_singular() -> None:
    result = check(told(("c1", ("get",), 7, 0.1, 0.2)), KeyValue())
    assert result.text.splitlines()[1] == "no order explains this operation:"
