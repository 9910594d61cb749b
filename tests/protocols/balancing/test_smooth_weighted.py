from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import Candidate, SmoothWeighted


def picks(policy: SmoothWeighted, candidates: list[Candidate], count: int) -> str:
    return "".join(policy.pick(candidates, now=0.0).key for _ in range(count))


def test_the_published_example_has_no_bursts() -> None:
    """Weights 5, 1, 1 give a a b a c a a, over and over, from whichever place it begins."""
    candidates = [Candidate("a", 5.0), Candidate("b"), Candidate("c")]

    picked = picks(SmoothWeighted(random.Random(1)), candidates, 21)

    assert picked in "aabacaa" * 5 or picked in "aacabaa" * 5
    assert "aaaaa" not in picked


@pytest.mark.parametrize("seed", range(20))
def test_of_as_many_picks_in_a_row_as_all_weights_together_each_gets_its_weight(seed: int) -> None:
    rng = random.Random(seed)
    weights = {key: rng.randint(1, 6) for key in "abcde"[: rng.randint(1, 5)]}
    candidates = [Candidate(key, float(weight)) for key, weight in weights.items()]
    total = sum(weights.values())

    picked = picks(SmoothWeighted(rng), candidates, 10 * total)

    for start in range(9 * total):
        assert Counter(picked[start : start + total]) == weights


def test_equal_weights_are_round_robin() -> None:
    picked = picks(SmoothWeighted(random.Random(5)), [Candidate(key) for key in "abc"], 30)

    assert all(picked[at] == picked[at + 3] for at in range(27))
    assert set(picked[:3]) == set("abc")


@pytest.mark.parametrize("seed", range(10))
def test_who_comes_and_goes_leaves_no_debt(seed: int) -> None:
    """Whatever happened before, a set of candidates that stays is served by its weights."""
    rng = random.Random(seed)
    policy = SmoothWeighted(rng)
    everybody = [Candidate(key, float(rng.randint(1, 4))) for key in "abcdef"]
    for _ in range(50):
        picks(policy, rng.sample(everybody, rng.randint(1, 6)), rng.randint(1, 5))

    total = int(sum(candidate.weight for candidate in everybody))
    picked = Counter(picks(policy, everybody, 20 * total))

    for candidate in everybody:
        assert abs(picked[candidate.key] - 20 * candidate.weight) <= 6 + candidate.weight


def test_callers_that_start_together_do_not_march_in_step() -> None:
    candidates = [Candidate(key) for key in "abc"]

    first = Counter(picks(SmoothWeighted(random.Random(seed)), candidates, 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70


def test_nobody_to_pick_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are no candidates"):
        SmoothWeighted(random.Random(1)).pick([], now=0.0)
