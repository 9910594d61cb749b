from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import Candidate, RoundRobin

ABC = [Candidate(key) for key in "abc"]


def picks(policy: RoundRobin, candidates: list[Candidate], count: int) -> str:
    return "".join(policy.pick(candidates, now=0.0).key for _ in range(count))


def test_everybody_is_picked_in_turn_whatever_they_weigh() -> None:
    picked = picks(RoundRobin(random.Random(1)), [Candidate("a", 9.0), *ABC[1:]], 9)

    assert picked in {turn * 3 for turn in ("abc", "bca", "cab")}


def test_it_goes_on_when_the_candidates_change() -> None:
    policy = RoundRobin(random.Random(1))
    picks(policy, ABC, 4)

    assert picks(policy, ABC[:2], 4) in {"abab", "baba"}


def test_callers_that_start_together_do_not_march_in_step() -> None:
    first = Counter(picks(RoundRobin(random.Random(seed)), ABC, 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70


def test_nobody_to_pick_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are no candidates"):
        RoundRobin(random.Random(1)).pick([], now=0.0)
