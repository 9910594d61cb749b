"""SampleWindow: the mean and deviation of the last samples equal those computed anew, however many have passed."""

from __future__ import annotations

import random
import statistics

import pytest

from coterie.protocols.detection.sample_window import SampleWindow


def test_mean_and_deviation_are_those_computed_by_hand() -> None:
    """1, 2, 3, 6: mean 12/4 = 3; squares of the differences 4 + 1 + 0 + 9 = 14, variance 14/4 = 3.5."""
    window = SampleWindow(10)
    for sample_s in (1.0, 2.0, 3.0, 6.0):
        window.add(sample_s)

    assert window.mean_s == 3.0
    assert window.deviation_s == pytest.approx(3.5**0.5, rel=1e-15)


def test_the_oldest_sample_leaves_a_full_window() -> None:
    window = SampleWindow(2)
    for sample_s in (100.0, 1.0, 3.0):
        window.add(sample_s)

    assert (len(window), window.mean_s, window.deviation_s) == (2, 2.0, 1.0)


def test_window_equals_a_naive_recomputation_over_1e5_random_samples() -> None:
    """Samples of very different sizes, among which running sums of floats would lose the small ones."""
    rng = random.Random(1)
    samples_s = [rng.choice((1e-4, 0.1, 1e5)) * rng.random() for _ in range(100_000)]
    window = SampleWindow(100)
    for count, sample_s in enumerate(samples_s, 1):
        window.add(sample_s)
        if count % 997 == 0 or count == len(samples_s):
            last = [round(sample_s * 1e9) / 1e9 for sample_s in samples_s[max(0, count - 100) : count]]
            assert window.mean_s == pytest.approx(statistics.fmean(last), rel=1e-12)
            assert window.deviation_s == pytest.approx(statistics.pstdev(last), rel=1e-9)


def test_equal_samples_have_no_deviation_at_all_after_a_huge_one_has_left() -> None:
    window = SampleWindow(3)
    for sample_s in (1e9, 0.1, 0.1, 0.1):
        window.add(sample_s)

    assert (window.mean_s, window.deviation_s) == (0.1, 0.0)
