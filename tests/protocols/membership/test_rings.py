"""Rings: every node computes the same observers, each member has K of them, and small views leave no member alone."""

from __future__ import annotations

from collections import Counter

import pytest

from coterie.protocols.membership.members import ViewNumber
from coterie.protocols.membership.rings import rings_of
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Down, Leave
from coterie.protocols.membership.view_decisions import decide_together
from coterie.protocols.simulation.directed.view_trials import view_of


def test_a_lone_member_has_no_observers_and_an_empty_view_no_rings() -> None:
    (member,) = view_of(1)

    assert rings_of(view_of(1)).observers == {member.identity: ()}
    assert rings_of(view_of(1)).subjects == {member.identity: ()}
    assert rings_of(View()).observers == {}


def test_of_two_members_each_observes_the_other_on_every_ring() -> None:
    first, second = (member.identity for member in view_of(2))
    rings = rings_of(view_of(2))

    assert rings.observers == {first: (second,) * 10, second: (first,) * 10}
    assert rings.between(second, first) == tuple(range(10))
    assert rings.between(first, first) == ()


@pytest.mark.parametrize("size", range(2, 12))
def test_up_to_k_others_all_observe_and_no_one_has_more_than_one_ring_more_than_another(size: int) -> None:
    rings = rings_of(view_of(size))

    for subject, observers in rings.observers.items():
        count = Counter(observers)
        assert len(observers) == 10
        assert set(count) == set(rings.observers) - {subject}
        assert max(count.values()) - min(count.values()) <= 1


@pytest.mark.parametrize("size", [12, 13, 50, 1000])
def test_in_a_large_view_each_ring_is_one_cycle_through_all_members(size: int) -> None:
    """Rapid §4.1: every member has K observers and K subjects, counted by ring."""
    rings = rings_of(view_of(size))

    for ring in range(10):
        start = at = next(iter(rings.observers))
        visited = 0
        while visited == 0 or at != start:
            at, visited = rings.observers[at][ring], visited + 1
        assert visited == size


@pytest.mark.parametrize("size", [2, 7, 11, 12, 100])
def test_subjects_are_the_inverse_of_observers_sorted_each_once(size: int) -> None:
    rings = rings_of(view_of(size))

    for observer, subjects in rings.subjects.items():
        assert list(subjects) == sorted(subject for subject, by in rings.observers.items() if observer in by)
        assert sum(len(rings.between(observer, subject)) for subject in subjects) == sum(
            by.count(observer) for by in rings.observers.values()
        )


def test_a_member_that_is_down_neither_observes_nor_is_observed_and_a_leaving_one_does_both() -> None:
    first, second, third, *_ = (member.identity for member in view_of(5))
    view = decide_together(view_of(5), [Down(second), Leave(third)]).view
    rings = rings_of(view)

    assert second not in rings.observers
    assert all(second not in by for by in rings.observers.values())
    assert third in rings.observers[first]
    assert third in rings.observers


def test_rings_are_the_same_in_every_process_and_do_not_depend_on_the_number_of_the_view() -> None:
    """The vector was written down once: a change of the hash would make old and new nodes disagree about observers."""
    view = view_of(12)
    next_view = View(ViewNumber(view.number + 1), view.members)
    first = view.members[0].identity

    names = [str(observer.name) for observer in rings_of(view).observers[first]]
    assert names == VECTOR
    assert rings_of(view) == rings_of(view_of(12))
    assert rings_of(next_view).observers == rings_of(view).observers


def test_a_member_that_comes_or_goes_changes_the_observers_of_few_others() -> None:
    """Otherwise what observers have found out would be lost while members come and go."""
    small, large = rings_of(view_of(100)).observers, rings_of(view_of(101)).observers

    assert sum(large[member] != observers for member, observers in small.items()) <= 10


VECTOR = ["n002", "n004", "n002", "n002", "n004", "n006", "n011", "n010", "n005", "n007"]


def test_another_number_of_rings_is_possible_and_none_is_not() -> None:
    assert {len(by) for by in rings_of(view_of(30), count=3).observers.values()} == {3}
    with pytest.raises(ValueError, match="one ring or more, not 0"):
        rings_of(view_of(3), count=0)


def test_two_random_halves_of_a_large_view_observe_each_other_on_about_half_of_the_rings() -> None:
    """An expander: of the K · n edges to one half, about half come from the other half."""
    rings = rings_of(view_of(400))
    half = set(list(rings.observers)[:200])
    leaving = sum(observer not in half for subject in half for observer in rings.observers[subject])

    assert 850 <= leaving <= 1150  # of the 2,000 edges to one half
