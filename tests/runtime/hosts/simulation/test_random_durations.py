from __future__ import annotations

import random
import statistics

import pytest

from coterie.runtime.hosts.simulation.random_durations import DISK, NETWORK, WORKER, RandomDuration


def test_without_a_tail_it_is_half_to_one_and_a_half_of_the_typical() -> None:
    rng = random.Random(1)
    drawn = [RandomDuration(2.0).draw(rng) for _ in range(1000)]
    assert 1.0 <= min(drawn) < 1.05
    assert 2.95 < max(drawn) <= 3.0


def test_the_tail_is_rare_heavy_and_bounded() -> None:
    rng = random.Random(1)
    drawn = [RandomDuration(1.0, tail=0.01, tail_s=10.0).draw(rng) for _ in range(100_000)]
    late = [each for each in drawn if each > 2.0]
    assert 0.008 < len(late) / len(drawn) < 0.012
    assert max(drawn) > 100.0
    assert max(drawn) <= 1001.5
    assert statistics.median(drawn) == pytest.approx(1.0, rel=0.02)


def test_what_is_usual_is_under_a_millisecond() -> None:
    rng = random.Random(1)
    for usual in (NETWORK, DISK, WORKER):
        assert statistics.median(usual.draw(rng) for _ in range(1000)) < 0.001


@pytest.mark.parametrize("bad", [(-1.0, 0.0, 0.0), (1.0, 1.5, 0.0), (1.0, -0.1, 0.0), (1.0, 0.5, -1.0)])
def test_what_is_no_probability_or_no_time_is_refused(bad: tuple[float, float, float]) -> None:
    typical_s, tail, tail_s = bad
    with pytest.raises(ValueError, match="probability"):
        RandomDuration(typical_s, tail=tail, tail_s=tail_s)
