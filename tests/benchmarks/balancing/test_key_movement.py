from __future__ import annotations

import pytest

from benchmarks.balancing.key_movement import WAYS, measure


@pytest.mark.parametrize(
    ("name", "most"), [("ring_256", 1.0), ("rendezvous", 1.0), ("maglev", 2.5), ("bounded_1.25", 3.0)]
)
def test_a_target_that_leaves_moves_little_more_than_its_own_keys(name: str, most: float) -> None:
    measured = measure(name, WAYS[name], 10, 1000)

    assert measured.ratio is not None
    assert 1.0 <= measured.ratio <= most


def test_bounded_loads_are_bounded() -> None:
    assert float(measure("b", WAYS["bounded_1.25_ring_16"], 10, 1000).detail["peak_to_mean"]) <= 1.25


def test_modulo_moves_nearly_all_keys() -> None:
    assert measure("m", WAYS["mod_n"], 10, 1000).value > 0.8
