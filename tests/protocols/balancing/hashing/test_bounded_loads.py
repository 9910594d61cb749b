from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from coterie.protocols.balancing import Balancer, Pick, Policy, RequestOutcome, Target
from coterie.protocols.balancing.hashing import BoundedLoads, HashRing, Rendezvous


@pytest.mark.parametrize("factor", [1.0, 0.5, float("inf"), float("nan")])
def test_a_factor_out_of_range_is_refused_and_named(factor: float) -> None:
    with pytest.raises(ValueError, match=f"factor={factor}"):
        BoundedLoads(factor=factor)


@pytest.mark.parametrize(("in_flight", "part", "capacity"), [(0, 0.5, 1), (7, 0.5, 5), (7, 0.1, 1), (79, 0.25, 25)])
def test_the_capacity_is_the_papers(in_flight: int, part: float, capacity: int) -> None:
    assert BoundedLoads(factor=1.25).capacity(in_flight, part) == capacity


@pytest.mark.parametrize("seed", range(10))
def test_no_target_ever_has_more_than_its_part_although_one_key_has_most_requests(seed: int) -> None:
    rng = random.Random(seed)
    weights = {f"t{number}": rng.choice([0.5, 1.0, 3.0]) for number in range(rng.randint(2, 9))}
    rings: list[Policy] = [HashRing(), Rendezvous()]
    balancer = Balancer(BoundedLoads(rings[seed % 2]), rng=rng)
    balancer.update([Target(key, weight) for key, weight in weights.items()], now=0.0)
    open_picks: list[Pick] = []
    in_flight: Counter[str] = Counter()
    for _ in range(600):
        if open_picks and rng.random() < 0.4:
            pick = open_picks.pop(rng.randrange(len(open_picks)))
            in_flight[pick.target] -= 1
            balancer.report(pick.token, RequestOutcome.ANSWERED, now=0.0)
            continue
        made = balancer.pick(now=0.0, key="popular" if rng.random() < 0.8 else str(rng.random()))
        assert made is not None
        open_picks.append(made)
        in_flight[made.target] += 1
        part = weights[made.target] / sum(weights.values())
        assert in_flight[made.target] <= math.ceil(1.25 * in_flight.total() * part)


def test_a_key_goes_to_its_own_target_while_that_has_room_and_the_explanation_says_when_not() -> None:
    balancer = Balancer(BoundedLoads(), rng=random.Random(1))
    balancer.update([Target(key) for key in "abcd"], now=0.0)
    first = balancer.pick(now=0.0, key="popular")
    own = first.target if first else ""
    assert balancer.statuses(now=0.0)["abcd".index(own)].state == "full, 1 of 1 in flight"
    others = [balancer.pick(now=0.0, key="popular") for _ in range(2)]

    # Capacities of 1, 1 and 1 of 4 targets: ceil(1.25 × m / 4) for m = 1, 2, 3.
    assert len({own, *(pick.target for pick in others if pick)}) == 3
    assert f"{own} is full, 1 of 1 in flight" in balancer.explain()


def test_a_full_target_is_used_if_those_with_room_are_excluded() -> None:
    balancer = Balancer(BoundedLoads(), rng=random.Random(1))
    balancer.update([Target(key) for key in "abcd"], now=0.0)

    assert all(balancer.pick(now=0.0, key="k", exclude={"b", "c", "d"}) for _ in range(5))


def test_open_requests_of_a_target_that_left_do_not_count() -> None:
    balancer = Balancer(BoundedLoads(), rng=random.Random(1))
    balancer.update([Target("a"), Target("b")], now=0.0)
    picks = [balancer.pick(now=0.0, key="k") for _ in range(8)]
    balancer.update([Target("a")], now=0.0)
    for pick in picks:
        assert pick is not None
        balancer.report(pick.token, RequestOutcome.ANSWERED, now=0.0)

    assert balancer.pick(now=0.0, key="k") is not None
    assert balancer.statuses(now=0.0)[0].in_flight == 1
