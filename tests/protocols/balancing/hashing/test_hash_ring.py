from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter

import pytest

from coterie.protocols.balancing import Balancer, Picker, Policy, Target
from coterie.protocols.balancing.hashing import HashRing, JumpHash, Maglev, Rendezvous, stable_hash
from coterie.protocols.stable_hash import stable_hashes

KEYS = [f"key/{number}" for number in range(4000)]
TABLES: list[Policy] = [HashRing(), Rendezvous(), Maglev(table_size=5003), JumpHash()]


def picker(policy: Policy, targets: list[Target], seed: int = 1) -> Picker:
    made = policy.make(random.Random(seed))
    made.update(targets, now=0.0)
    return made


def targets(count: int) -> list[Target]:
    return [Target(f"t{number}") for number in range(count)]


def owners(made: Picker) -> list[str | None]:
    return [made.choose(now=0.0, key=key, exclude=frozenset()) for key in KEYS]


def moved(before: list[str | None], after: list[str | None]) -> float:
    return sum(one != other for one, other in zip(before, after, strict=True)) / len(before)


@pytest.mark.parametrize("policy", TABLES, ids=repr)
class TestEveryTable:
    def test_a_key_belongs_to_the_same_target_whatever_the_seed(self, policy: Policy) -> None:
        assert owners(picker(policy, targets(7), seed=1)) == owners(picker(policy, targets(7), seed=2))

    def test_a_target_that_joins_at_the_end_moves_its_part_of_the_keys_and_takes_it_back_when_it_leaves(
        self, policy: Policy
    ) -> None:
        made = picker(policy, targets(10))
        before = owners(made)
        made.update(targets(11), now=0.0)
        after = owners(made)
        to_others = sum(one != other and other != "t10" for one, other in zip(before, after, strict=True))

        assert 0.06 < moved(before, after) < (0.2 if isinstance(policy, Maglev) else 0.13)
        assert isinstance(policy, Maglev) or to_others == 0
        made.update(targets(10), now=0.0)
        assert owners(made) == before

    def test_only_keys_of_the_excluded_target_go_elsewhere_and_not_all_to_one(self, policy: Policy) -> None:
        made = picker(policy, targets(10))
        before = owners(made)
        after = [made.choose(now=0.0, key=key, exclude={"t3"}) for key in KEYS]

        assert "t3" not in after
        elsewhere = Counter(other for one, other in zip(before, after, strict=True) if one != other)
        assert elsewhere.total() == before.count("t3")
        assert max(elsewhere.values()) < 0.5 * elsewhere.total()

    def test_shares_are_those_of_the_keys(self, policy: Policy) -> None:
        made = picker(policy, targets(10))
        counted, shares = Counter(owners(made)), made.shares(now=0.0)

        assert shares is not None
        assert sum(shares.values()) == pytest.approx(1.0)
        for key, share in shares.items():
            assert counted[key] / len(KEYS) == pytest.approx(share, abs=0.02)

    def test_requests_without_a_key_go_to_all_targets(self, policy: Policy) -> None:
        made = picker(policy, targets(4))
        counted = Counter(made.choose(now=0.0, key=None, exclude=frozenset()) for _ in range(2000))

        assert min(counted[f"t{number}"] for number in range(4)) > 350
        assert "without a key" in made.explain()

    def test_no_targets_one_target_and_all_excluded(self, policy: Policy) -> None:
        made = policy.make(random.Random(1))
        assert made.choose(now=0.0, key="k", exclude=frozenset()) is None
        made.update([], now=0.0)
        assert made.choose(now=0.0, key="k", exclude=frozenset()) is None
        assert made.explain() == "there are no targets"
        made.update(targets(1), now=0.0)
        assert made.choose(now=0.0, key=b"k", exclude=frozenset()) == "t0"
        made.update(targets(3), now=0.0)
        assert made.choose(now=0.0, key="k", exclude={"t0", "t1", "t2"}) is None
        assert made.choose(now=0.0, key="k", exclude={"t0", "t2"}) == "t1"

    def test_the_explanation_names_the_hash_the_owner_and_the_one_that_took_over(self, policy: Policy) -> None:
        made = picker(policy, targets(3))
        own = made.choose(now=0.0, key="k", exclude=frozenset())
        assert f"{stable_hash('k'):#018x} belongs to {own}" in made.explain()

        other = made.choose(now=0.0, key="k", exclude={own or ""})
        assert f"belongs to {own}, which is excluded: {other} is next" in made.explain()

    def test_an_update_that_changes_nothing_builds_no_table(
        self, policy: Policy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = picker(policy, targets(3))
        table = made._table  # type: ignore[attr-defined]
        monkeypatch.setattr(type(table), "build", lambda self, targets: pytest.fail("it was built again"))

        made.update(targets(3), now=1.0)

    def test_it_works_in_a_balancer(self, policy: Policy) -> None:
        balancer = Balancer(policy, rng=random.Random(1))
        balancer.update(targets(5), now=0.0)

        assert len({(pick.target if (pick := balancer.pick(now=0.0, key="k")) else None) for _ in range(20)}) == 1


@pytest.mark.parametrize("policy", [HashRing(), Rendezvous(), Maglev(table_size=5003)], ids=repr)
def test_the_order_of_the_targets_does_not_matter(policy: Policy) -> None:
    assert owners(picker(policy, targets(7))) == owners(picker(policy, targets(7)[::-1]))


@pytest.mark.parametrize("policy", [HashRing(virtual_nodes=1000), Rendezvous(), Maglev()], ids=repr)
def test_shares_follow_the_weights(policy: Policy) -> None:
    made = picker(policy, [Target("a", 1.0), Target("b", 2.0), Target("c", 0.5)])
    counted = Counter(owners(made))

    for key, weight in (("a", 1.0), ("b", 2.0), ("c", 0.5)):
        assert counted[key] / len(KEYS) == pytest.approx(weight / 3.5, abs=0.03)


@pytest.mark.parametrize("policy", [HashRing(), Rendezvous()], ids=repr)
def test_a_target_that_leaves_the_middle_moves_only_its_own_keys(policy: Policy) -> None:
    made = picker(policy, targets(10))
    before = owners(made)
    made.update([target for target in targets(10) if target.key != "t4"], now=0.0)
    after = owners(made)

    assert all(one == other for one, other in zip(before, after, strict=True) if one != "t4")


def test_a_key_belongs_to_the_next_point_clockwise() -> None:
    """Against the points of the ring, looked up by hand."""
    points = sorted((point, key) for key in ("t0", "t1") for point in stable_hashes(key, 3))
    made = picker(HashRing(virtual_nodes=3), targets(2))
    for key in KEYS[:200]:
        place = bisect_left([point for point, _ in points], stable_hash(key)) % 6

        assert made.choose(now=0.0, key=key, exclude=frozenset()) == points[place][1]


def test_points_follow_the_weight_relative_to_the_mean_and_there_is_at_least_one() -> None:
    ring = HashRing(virtual_nodes=100)

    assert ring.points([]) == []
    assert ring.points([7.0] * 5) == [100] * 5
    assert ring.points([1.0, 2.0, 3.0, 1e-9]) == [67, 133, 200, 1]
    with pytest.raises(ValueError, match="virtual_nodes=0"):
        HashRing(virtual_nodes=0)


@pytest.mark.parametrize("policy", [HashRing(), Rendezvous()], ids=repr)
def test_keys_of_an_excluded_target_go_where_they_would_go_without_it(policy: Policy) -> None:
    made = picker(policy, targets(10))
    excluded = [made.choose(now=0.0, key=key, exclude={"t4", "t7"}) for key in KEYS]
    made.update([target for target in targets(10) if target.key not in {"t4", "t7"}], now=0.0)

    assert excluded == owners(made)


@pytest.mark.parametrize("scale", [1e-320, 0.001, 1 / 3, 8000.0, 1e307])
def test_scaled_weights_give_the_same_ring_with_the_usual_number_of_points(scale: float) -> None:
    ring = HashRing()
    weights = [1.0, 2.0, 4.0]
    made = [
        picker(ring, [Target(key, weight * by) for key, weight in zip("abc", weights, strict=True)])
        for by in (1.0, scale)
    ]

    assert ring.points([weight * scale for weight in weights]) == ring.points(weights) == [55, 110, 219]
    assert owners(made[0]) == owners(made[1])


def test_the_number_of_all_points_is_bounded() -> None:
    assert sum(HashRing(virtual_nodes=100_000).points([1.0] * 1000)) == 1_000_000
    assert sum(HashRing(virtual_nodes=100_000).points([1.0] * 999 + [1e300])) == pytest.approx(1_000_000, abs=1000)
    assert HashRing(virtual_nodes=1).points([1.0] * 1_000_001) == [1] * 1_000_001


@pytest.mark.parametrize("weight", [0.01, 0.5, 1.0, 1.7, 6.0, 40.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_target_of_any_weight_that_joins_moves_at_most_twice_its_share_or_twice_one_part_of_n(
    weight: float, seed: int
) -> None:
    rng = random.Random(seed)
    present = [Target(f"t{number}", rng.choice([1.0, 2.0, 4.0])) for number in range(20)]
    share = weight / (weight + sum(target.weight for target in present))
    made = picker(HashRing(), present)
    before = owners(made)
    made.update([*present, Target("joined", weight)], now=0.0)

    assert moved(before, owners(made)) < share + max(share, 1 / 21) + 0.02
    made.update(present, now=0.0)
    assert owners(made) == before
