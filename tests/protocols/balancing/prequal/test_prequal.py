"""Prequal, as its caller drives it: probes sent and answered, picks by the hot-cold rule, and what leaves no trace."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import pytest

from coterie.protocols.balancing.balancer import Balancer
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, Target
from coterie.protocols.balancing.prequal.prequal import Prequal

NOTHING: frozenset[str] = frozenset()


def picker_of(keys: str | Iterable[str], settings: Prequal | None = None, *, seed: int = 1) -> Picker:
    picker = (settings or Prequal()).make(random.Random(seed))
    picker.update([Target(key) for key in keys], now=0.0)
    return picker


def answer(picker: Picker, target: str, in_flight: int, latency_s: float | None, *, now: float = 0.0) -> None:
    picker.probed(Probe(target, 10**9, 0.003), LoadReport(in_flight=in_flight, latency_s=latency_s), now=now)


def pick(picker: Picker, *, now: float = 0.0, exclude: frozenset[str] = NOTHING) -> str | None:
    target = picker.choose(now=now, key=None, exclude=exclude)
    if target is not None:
        picker.picked(target, now=now)
    return target


def test_each_pick_sends_probes_to_different_random_targets() -> None:
    picker = picker_of([f"t{number}" for number in range(10)])

    seen = Counter[str]()
    for _ in range(1000):
        target = picker.choose(now=0.0, key=None, exclude=NOTHING)
        assert target is not None
        probes = picker.picked(target, now=0.0)
        assert len({probe.target for probe in probes}) == 3
        seen.update(probe.target for probe in probes)

    assert all(220 < count < 380 for count in seen.values())  # 300 each; the deviation is 14.5


def test_probe_numbers_are_unique_and_carry_the_time_out() -> None:
    picker = picker_of("abcdefgh", Prequal(probe_timeout_s=0.002))

    probes = [probe for _ in range(5) for probe in picker.picked("a", now=0.0)]

    assert [probe.number for probe in probes] == list(range(1, 16))
    assert {probe.timeout_s for probe in probes} == {0.002}


def test_fewer_targets_than_probes_are_each_probed_once() -> None:
    assert sorted(probe.target for probe in picker_of("ab").picked("a", now=0.0)) == ["a", "b"]


@pytest.mark.parametrize("seed", range(5))
def test_half_a_probe_per_pick_is_half_a_probe_on_average(seed: int) -> None:
    picker = picker_of("abcdef", Prequal(probes_per_pick=0.5), seed=seed)

    assert sum(len(picker.picked("a", now=0.0)) for _ in range(1000)) == 500


def test_picks_are_random_while_fewer_than_two_probes_are_usable() -> None:
    picker = picker_of("abcd", Prequal(removals_per_pick=0.0))
    answer(picker, "a", 0, 0.001)

    assert set(Counter(pick(picker) for _ in range(400))) == set("abcd")


def test_the_cold_probe_of_lowest_latency_is_picked() -> None:
    """RIF 1, 2, 3, 4, 9: the 0.84 quantile of five is the fifth, 9, so all are cold, and d has 5 ms."""
    picker = picker_of("abcde")
    for target, in_flight, latency_s in (
        ("a", 1, 0.02),
        ("b", 2, 0.01),
        ("c", 3, 0.03),
        ("d", 9, 0.005),
        ("e", 4, 1.0),
    ):
        answer(picker, target, in_flight, latency_s)

    assert picker.choose(now=0.0, key=None, exclude=NOTHING) == "d"
    assert picker.explain() == (
        "d has 9 in flight and 5 ms, among the lowest latencies of the cold ones among 5 probes: at most 9 in flight,"
        " the 0.84 quantile of 5 targets; 0 of 0 probes were not answered in time"
    )


def test_a_hot_probe_is_not_picked_although_its_latency_is_the_lowest() -> None:
    """At the quantile 0.5 the limit is 3, the third of five: d is hot."""
    picker = picker_of("abcde", Prequal(rif_quantile=0.5))
    for target, in_flight, latency_s in (
        ("a", 1, 0.02),
        ("b", 2, 0.01),
        ("c", 3, 0.03),
        ("d", 9, 0.005),
        ("e", 4, 1.0),
    ):
        answer(picker, target, in_flight, latency_s)

    assert picker.choose(now=0.0, key=None, exclude=NOTHING) == "b"
    assert picker.choose(now=0.0, key=None, exclude=frozenset("abc")) == "e"
    assert picker.explain().startswith(
        "e has the fewest in flight, 4, of 2 probes, which are all hot: above 3, the 0.50 quantile of 5 targets"
    )


def test_requests_that_were_sent_make_a_probe_hot() -> None:
    """The limit is 1: the second request to a makes it 2, so b is next, although its latency is higher."""
    picker = picker_of("ab", Prequal(removals_per_pick=0.0))
    answer(picker, "a", 0, 0.001)
    answer(picker, "b", 1, 0.5)

    assert [pick(picker) for _ in range(4)] == ["a", "a", "b", "a"]


def test_the_limit_is_of_the_answers_and_not_of_the_requests_that_were_sent_since() -> None:
    picker = picker_of("abc", Prequal(rif_quantile=0.5, removals_per_pick=0.0))
    for target in "abc":
        answer(picker, target, 0, 0.001)
    for _ in range(3):
        pick(picker)
    picker.choose(now=0.0, key=None, exclude=NOTHING)

    assert "which are all hot: above 0" in picker.explain()


def test_a_probe_serves_as_many_picks_as_its_budget_allows() -> None:
    """100 targets, m 16, 5 probes: one use each. Two probes: the second pick finds one, and is random."""
    picker = picker_of([f"t{number}" for number in range(100)], Prequal(probes_per_pick=5.0, removals_per_pick=0.0))
    answer(picker, "t1", 0, 0.1)
    answer(picker, "t2", 0, 0.2)

    assert pick(picker) == "t1"
    pick(picker)
    assert "drawn at random" in picker.explain()


def test_each_pick_removes_a_probe() -> None:
    picker = picker_of("abcd", Prequal(removals_per_pick=1.0))  # few targets: uses are not bounded
    for target in "abcd":
        answer(picker, target, 0, 0.1)
    explanations = [(pick(picker), picker.explain())[1] for _ in range(4)]

    assert ["drawn at random" in text for text in explanations] == [False, False, False, True]


def test_old_probes_are_not_used() -> None:
    picker = picker_of("abcd")
    for target in "abcd":
        answer(picker, target, 0, 0.1, now=5.0)

    pick(picker, now=6.0)
    assert "among the lowest latencies" in picker.explain()
    pick(picker, now=6.1)
    assert "drawn at random" in picker.explain()


def test_a_probe_without_an_answer_leaves_no_trace_but_a_count() -> None:
    picker = picker_of("abcd")
    probes = picker.picked("a", now=0.0)
    for probe in probes[:2]:
        picker.probed(probe, None, now=0.003)
    pick(picker)

    assert picker.explain().endswith(
        "drawn at random: fewer than 2 usable probes (of 0); 2 of 6 probes were not answered in time"
    )


def test_an_answer_of_a_target_that_left_is_ignored() -> None:
    picker = picker_of("abc")
    picker.update([Target("a"), Target("b")], now=1.0)
    answer(picker, "c", 0, 0.001, now=1.0)
    answer(picker, "a", 1, 0.1, now=1.0)

    assert {pick(picker, now=1.0) for _ in range(50)} == {"a", "b"}


def test_a_probe_that_was_sent_before_its_target_joined_again_is_ignored() -> None:
    picker = picker_of("ab")
    early = {probe.target: probe for probe in picker.picked("b", now=0.0)}
    picker.update([Target("b")], now=0.1)
    picker.update([Target("a"), Target("b")], now=0.2)
    for target in "ab":
        picker.probed(early[target], LoadReport(in_flight=1, latency_s=0.1), now=0.3)
    picker.choose(now=0.3, key=None, exclude=NOTHING)

    assert "fewer than 2 usable probes (of 1)" in picker.explain()


def test_the_probe_of_a_target_that_left_is_dropped() -> None:
    picker = picker_of("abc")
    for target, latency_s in (("a", 0.2), ("b", 0.3), ("c", 0.1)):
        answer(picker, target, 0, latency_s)
    picker.update([Target("a"), Target("b")], now=0.0)

    assert pick(picker) == "a"


def test_a_target_without_a_sample_is_tried_as_one_that_is_as_fast_as_the_fastest() -> None:
    """The lower RIF wins; of equal ones the older probe."""
    picker = picker_of("ab", Prequal(removals_per_pick=0.0))
    answer(picker, "a", 2, 0.010)
    answer(picker, "b", 0, None)

    assert [pick(picker) for _ in range(4)] == ["b", "b", "a", "b"]


def test_an_idle_caller_probes_when_its_time_has_come() -> None:
    picker = picker_of("abcdefgh", Prequal(idle_probe_s=0.5))
    assert picker.deadline() == 0.0  # at once: the pool is empty
    assert len(picker.tick(now=0.0)) == 3
    assert picker.deadline() == 0.5

    picker.picked("a", now=0.4)
    assert picker.deadline() == 0.9
    assert picker.tick(now=0.8) == ()
    assert len(picker.tick(now=0.9)) == 3


def test_an_idle_caller_sends_one_probe_at_least() -> None:
    assert len(picker_of("abcd", Prequal(probes_per_pick=0.1)).tick(now=0.0)) == 1


def test_no_targets_need_no_probes() -> None:
    picker = picker_of("")

    assert picker.deadline() is None
    assert picker.tick(now=9.0) == ()
    assert picker.choose(now=0.0, key=None, exclude=NOTHING) is None
    assert picker.explain() == "there are no targets"


@pytest.mark.slow
def test_ten_equal_targets_get_equal_shares() -> None:
    """100,000 requests of 10 ms, 1,000 per second; each probe answers at once with the true RIF: within 2 %."""
    keys = [f"t{number}" for number in range(10)]
    balancer = Balancer(Prequal(), rng=random.Random(7))
    balancer.update([Target(key) for key in keys], now=0.0)
    in_flight = dict.fromkeys(keys, 0)
    open_picks: list[tuple[float, str, int]] = []
    picked = Counter[str]()
    for number in range(100_000):
        now = number / 1000
        while open_picks and open_picks[0][0] <= now:
            _, target, token = open_picks.pop(0)
            in_flight[target] -= 1
            balancer.report(token, RequestOutcome.ANSWERED, now=now)
        pick = balancer.pick(now=now)
        assert pick is not None
        picked[pick.target] += 1
        in_flight[pick.target] += 1
        open_picks.append((now + 0.010, pick.target, pick.token))
        for probe in pick.probes:
            balancer.probed(probe, LoadReport(in_flight=in_flight[probe.target], latency_s=0.010), now=now)

    assert all(abs(count - 10_000) < 200 for count in picked.values()), picked


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"pool_size": 1}, "pool_size=1 must be at least 2"),
        ({"rif_quantile": 1.1}, "rif_quantile=1.1 must be 0 … 1"),
        ({"probes_per_pick": 0.0}, "probes_per_pick=0.0 must be above 0"),
        ({"probe_age_s": float("nan")}, "probe_age_s=nan must be above 0"),
        ({"removals_per_pick": -1.0}, "removals_per_pick=-1.0 must be at least 0"),
        ({"delta": -1.0}, "delta=-1.0 must be above -1"),
        ({"rif_age_s": 0.5}, "rif_age_s=0.5 must be at least probe_age_s=1.0"),
    ],
)
def test_settings_out_of_range_are_refused_and_named(settings: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Prequal(**settings)
