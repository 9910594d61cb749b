"""ProbePool: the hot-cold rule, removals of the oldest and the worst in turn, ages, sizes and uses, by hand."""

from __future__ import annotations

import math

from coterie.protocols.balancing.prequal.probe_pool import HeldProbe, ProbePool

NOTHING: frozenset[str] = frozenset()


def pool_of(*probes: tuple[str, int, float | None], size: int = 16, uses: float = math.inf) -> ProbePool:
    """A pool of (target, RIF, latency), the oldest first, which came at 0, 1, 2, … ms."""
    pool = ProbePool(size, 1.0)
    for number, (target, in_flight, latency_s) in enumerate(probes):
        pool.add(HeldProbe(target, in_flight, latency_s, number / 1000, uses))
    return pool


def best(pool: ProbePool, limit: float, exclude: frozenset[str] = NOTHING) -> str | None:
    choice = pool.choose(limit, exclude, usable_min=2)
    return None if choice is None else choice.probe.target


def held(pool: ProbePool) -> list[str]:
    return [target for target in "abcdefgh" if pool.get(target) is not None]


def test_of_cold_probes_the_lowest_latency_wins_whatever_its_rif() -> None:
    assert best(pool_of(("a", 0, 0.5), ("b", 5, 0.1), ("c", 6, 0.01)), limit=5) == "b"


def test_a_probe_at_the_limit_is_cold_and_one_above_is_hot() -> None:
    pool = pool_of(("a", 4, 0.2), ("b", 3, 0.9))

    assert best(pool, limit=4) == "a"
    assert best(pool, limit=3) == "b"


def test_if_all_are_hot_the_lowest_rif_wins_whatever_its_latency() -> None:
    assert best(pool_of(("a", 9, 0.1), ("b", 7, 0.9), ("c", 8, 0.2)), limit=6) == "b"


def test_a_single_cold_probe_is_preferred_to_all_hot_ones() -> None:
    choice = pool_of(("a", 9, 0.1), ("b", 2, 9.0), ("c", 8, 0.2)).choose(5, NOTHING, usable_min=2)

    assert choice is not None
    assert (choice.probe.target, choice.is_cold, choice.usable) == ("b", True, 3)


def test_equal_latencies_are_settled_by_rif() -> None:
    assert best(pool_of(("a", 3, 0.0), ("b", 1, 0.0), ("c", 2, 0.0)), limit=5) == "b"


def test_latencies_within_the_tolerance_are_settled_by_rif() -> None:
    pool = pool_of(("a", 4, 0.10), ("b", 2, 0.15), ("c", 0, 0.16))

    for tolerance, wanted in ((0.0, "a"), (0.5, "b"), (0.6, "c")):
        choice = pool.choose(5, NOTHING, usable_min=2, tolerance=tolerance)
        assert choice is not None
        assert choice.probe.target == wanted


def test_a_target_without_a_sample_counts_as_fast_as_the_fastest() -> None:
    assert best(pool_of(("a", 2, 0.1), ("b", 1, None), ("c", 0, 0.2)), limit=5) == "b"
    assert best(pool_of(("a", 0, 0.1), ("b", 1, None), ("c", 0, 0.2)), limit=5) == "a"


def test_fewer_than_two_usable_probes_are_no_choice() -> None:
    pool = pool_of(("a", 1, 0.1), ("b", 1, 0.2))

    assert best(pool_of(("a", 1, 0.1)), limit=5) is None
    assert best(pool, 5, frozenset("a")) is None


def test_an_excluded_target_is_passed_over() -> None:
    assert best(pool_of(("a", 1, 0.1), ("b", 1, 0.2), ("c", 1, 0.3)), 5, frozenset("a")) == "b"


def test_removal_takes_the_oldest_and_the_worst_in_turn() -> None:
    """All cold (limit 9): oldest a, worst latency d, oldest b, worst e."""
    pool = pool_of(("a", 1, 0.1), ("b", 1, 0.2), ("c", 1, 0.1), ("d", 1, 0.9), ("e", 1, 0.3))

    left = []
    for _ in range(4):
        pool.remove_one(9)
        left.append("".join(held(pool)))

    assert left == ["bcde", "bce", "ce", "c"]


def test_the_worst_is_the_hottest_if_any_is_hot() -> None:
    """The limit is 5: d is the hottest, then c; then none is hot and e has the highest latency."""
    pool = pool_of(
        ("x", 1, 0.1), ("e", 5, 9.0), ("y", 1, 0.1), ("c", 6, 0.1), ("d", 7, 0.1), ("f", 1, 0.2), ("g", 1, 0.1)
    )
    for _ in range(4):  # x, d, e (now the oldest), c
        pool.remove_one(5)
    assert held(pool) == ["f", "g"]

    pool.remove_one(5)  # y
    pool.remove_one(5)
    assert held(pool) == ["g"]


def test_an_empty_pool_has_nothing_to_remove() -> None:
    pool = pool_of()
    pool.remove_one(5)

    assert len(pool) == 0


def test_an_answer_replaces_the_older_one_of_the_same_target_and_is_the_newest() -> None:
    pool = pool_of(("a", 1, 0.1), ("b", 1, 0.2), ("a", 5, 0.5))
    pool.remove_one(9)

    assert len(pool) == 1
    assert held(pool) == ["a"]


def test_a_full_pool_drops_the_oldest() -> None:
    pool = pool_of(*[(target, 1, 0.1) for target in "abcd"], size=3)

    assert held(pool) == ["b", "c", "d"]


def test_probes_that_are_too_old_are_dropped() -> None:
    pool = pool_of(*[(target, 1, 0.1) for target in "abc"])  # they came at 0, 1 and 2 ms, and are kept for 1 s

    pool.expire(1.001)
    assert held(pool) == ["b", "c"]
    pool.expire(9.0)
    assert held(pool) == []


def test_a_used_probe_counts_one_more_in_flight() -> None:
    pool = pool_of(("a", 3, 0.1), ("b", 5, 0.2))
    for _ in range(2):
        pool.use("a")
    pool.use("a target without a probe")

    assert best(pool, limit=4) is not None
    assert [probe.in_flight for target in "ab" if (probe := pool.get(target))] == [5, 5]


def test_a_probe_is_dropped_after_its_last_use() -> None:
    pool = pool_of(("a", 3, 0.1), ("b", 5, 0.2), uses=2)

    pool.use("a")
    assert held(pool) == ["a", "b"]
    pool.use("a")
    assert held(pool) == ["b"]
