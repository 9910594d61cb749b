from __future__ import annotations

import pytest

from coterie.protocols.balancing.round_robin import RoundRobin


def test_everybody_is_picked_in_turn() -> None:
    policy = RoundRobin()

    assert [policy.pick("abc") for _ in range(7)] == list("abcabca")


def test_it_goes_on_from_where_it_was_when_the_candidates_change() -> None:
    policy = RoundRobin()
    picked = [policy.pick("abc") for _ in range(4)]

    picked += [policy.pick("ab") for _ in range(4)]

    assert picked == list("abca" + "abab")


def test_one_candidate_is_picked_always() -> None:
    policy = RoundRobin()

    assert {policy.pick(["only"]) for _ in range(3)} == {"only"}


def test_nobody_to_pick_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="nobody to pick from"):
        RoundRobin().pick([])
