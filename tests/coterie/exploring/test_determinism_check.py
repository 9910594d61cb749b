"""A seed that is two traces is found, with the first line in which they differ."""

from __future__ import annotations

from typing import NoReturn

import pytest

from coterie.exploring.determinism_check import check_determinism, first_difference
from coterie.exploring.run_jobs import Job
from coterie.protocols.simulation.run_trace import TraceLine
from tests.coterie.exploring import toy

A, B, C = (TraceLine(float(number), "n1", "counted", str(number)) for number in range(3))


def test_order_of_a_set_is_found_with_its_first_line() -> None:
    found, differences = check_determinism(Job(f"{toy.WHERE}:wavering", 0), range(2))

    assert found.summary.passed == 2
    assert [difference.seed for difference in differences] == [0, 1]
    assert differences[0].line is not None
    assert "woke  actor" in differences[0].one
    assert "woke  actor" in differences[0].other
    assert differences[0].one != differences[0].other
    assert f"first differ in line {differences[0].line}" in str(differences[0])


def test_deterministic_scenario_has_no_difference() -> None:
    found, differences = check_determinism(Job(f"{toy.WHERE}:seldom", 0), range(6))

    assert not differences
    assert found.summary.seeds == 6
    assert found.summary.failed >= 1


def test_first_line_that_differs_is_named() -> None:
    difference = first_difference(7, [A, B, C], [A, C, B])

    assert (difference.seed, difference.line) == (7, 2)
    assert (difference.one, difference.other) == (str(B), str(C))


def test_trace_that_ends_earlier_differs_there() -> None:
    difference = first_difference(7, [A, B], [A])

    assert (difference.line, difference.one, difference.other) == (2, str(B), "")


def test_difference_that_does_not_show_again_is_still_one() -> None:
    assert first_difference(7, [A], [A]).line is None
    assert "trace hashes differ" in str(first_difference(7, [A], [A]))


def test_interrupt_while_workers_start_is_told_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def strike(count: int, *, hash_seed: int) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("coterie.exploring.determinism_check.worker_pool", strike)
    found, differences = check_determinism(Job(f"{toy.WHERE}:good", 0), range(3))

    assert (found.is_interrupted, found.remaining_seeds, differences) == (True, range(3), [])
