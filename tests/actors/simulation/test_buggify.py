from __future__ import annotations

import pytest

from coterie import sometimes
from coterie.actors.simulation.buggify import Sites
from coterie.actors.simulation.simulation import Simulation


def test_outside_of_a_simulation_a_site_never_fires() -> None:
    assert not any(sometimes("x", 1.0) for _ in range(100))


async def test_on_an_ordinary_loop_a_site_never_fires() -> None:
    assert not any(sometimes("x", 1.0) for _ in range(100))


def counts(seed: int) -> tuple[int, int]:
    sim = Simulation(seed)

    async def main() -> None:
        for _ in range(100):
            sometimes("x", 0.3)

    sim.run(main)
    site = sim.sites.by_name["x"]
    return site.reached, site.fired


def test_in_a_simulation_it_fires_in_some_runs_now_and_then_by_the_seed() -> None:
    fired = [counts(seed)[1] for seed in range(20)]

    assert 0 in fired
    assert any(10 < count < 60 for count in fired)
    assert [counts(seed)[1] for seed in range(20)] == fired
    assert counts(0)[0] == 100


def test_one_site_does_not_disturb_another() -> None:
    alone, together = Sites(1), Sites(1)

    apart = [alone.is_hit("a", 0.5) for _ in range(50)]
    beside = [(together.is_hit("b", 0.5), together.is_hit("a", 0.5))[1] for _ in range(50)]

    assert apart == beside


def test_a_probability_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match=r"sometimes\('x', 2\)"):
        Sites(1).is_hit("x", 2)
