from __future__ import annotations

import pytest

from coterie import buggify
from coterie.actors.simulation.buggify import BuggifySites
from coterie.actors.simulation.simulation import Simulation


def test_outside_of_a_simulation_a_site_never_fires() -> None:
    assert not any(buggify("x", 1.0) for _ in range(100))


async def test_on_an_ordinary_loop_a_site_never_fires() -> None:
    assert not any(buggify("x", 1.0) for _ in range(100))


def counts(seed: int) -> tuple[int, int]:
    sim = Simulation(seed)

    async def main() -> None:
        for _ in range(100):
            buggify("x", 0.3)

    sim.run(main)
    site = sim.buggify_sites.by_name["x"]
    return site.reached, site.fired


def test_in_a_simulation_it_fires_in_some_runs_now_and_then_by_the_seed() -> None:
    fired = [counts(seed)[1] for seed in range(20)]

    assert 0 in fired
    assert any(10 < count < 60 for count in fired)
    assert [counts(seed)[1] for seed in range(20)] == fired
    assert counts(0)[0] == 100


def test_one_site_does_not_disturb_another() -> None:
    alone, together = BuggifySites(1), BuggifySites(1)

    apart = [alone.fires("a", 0.5) for _ in range(50)]
    beside = [(together.fires("b", 0.5), together.fires("a", 0.5))[1] for _ in range(50)]

    assert apart == beside


def test_a_probability_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match=r"buggify\('x', 2\)"):
        BuggifySites(1).fires("x", 2)
