"""Balancer: each pick is settled exactly once, whatever its caller does, and reports find its target."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import pytest

from coterie.protocols.balancing import (
    Balancer,
    LoadReport,
    Picker,
    Probe,
    RequestOutcome,
    RoundRobin,
    RoutingKey,
    Target,
    UnknownPick,
)

ANSWERED, LOST = RequestOutcome.ANSWERED, RequestOutcome.LOST


@dataclass
class Recorder(Picker):
    """A policy, and its picker, that picks the first allowed target, and records what it is told."""

    keys: list[str] = field(default_factory=list)
    calls: list[tuple[object, ...]] = field(default_factory=list)

    def make(self, rng: random.Random) -> Picker:
        return self

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self.keys = [target.key for target in targets]

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        return next((key for key in self.keys if key not in exclude), None)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self.calls.append(("picked", target))
        return [Probe("b", len(self.calls), 0.003)]

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self.calls.append(("settled", target, outcome, round(latency_s, 6), load))

    def explain(self) -> str:
        return "the first"


def balancer_of(keys: str = "ab", *, expiry_s: float = 60.0) -> tuple[Balancer, Recorder]:
    recorder = Recorder()
    balancer = Balancer(recorder, rng=random.Random(1), expiry_s=expiry_s)
    balancer.update([Target(key) for key in keys], now=0.0)
    return balancer, recorder


def token_of(balancer: Balancer, *, now: float = 0.0, expires_at: float | None = None) -> int:
    pick = balancer.pick(now=now, expires_at=expires_at)
    assert pick is not None
    return pick.token


def test_a_pick_names_its_target_and_the_probes_to_send() -> None:
    balancer, _ = balancer_of()

    pick = balancer.pick(now=0.0, exclude=frozenset("a"))

    assert pick is not None
    assert (pick.target, pick.token, pick.probes) == ("b", 1, [Probe("b", 1, 0.003)])


def test_a_report_reaches_the_policy_with_its_latency_and_load() -> None:
    balancer, recorder = balancer_of()
    load = LoadReport(in_flight=3)
    balancer.report(token_of(balancer, now=1.0), ANSWERED, now=1.25, load=load)

    assert recorder.calls == [("picked", "a"), ("settled", "a", ANSWERED, 0.25, load)]


def test_a_second_report_of_the_same_pick_is_refused() -> None:
    balancer, recorder = balancer_of()
    token = token_of(balancer)
    balancer.report(token, ANSWERED, now=0.1)

    with pytest.raises(UnknownPick, match="pick 1 was reported already, or has expired"):
        balancer.report(token, ANSWERED, now=0.1)
    assert len(recorder.calls) == 2


@pytest.mark.parametrize("token", [-1, 0, 2])
def test_a_report_of_a_pick_that_was_never_made_is_refused(token: int) -> None:
    balancer, _ = balancer_of()
    token_of(balancer)

    with pytest.raises(UnknownPick, match=f"pick {token} was never made: the last one is 1"):
        balancer.report(token, ANSWERED, now=0.1)


def test_a_leaked_pick_is_settled_as_lost_at_its_expiry() -> None:
    """The sweep runs each quarter of the expiry: 10 s after the pick it is due, at 12.5 s at the latest it is done."""
    balancer, recorder = balancer_of(expiry_s=10.0)
    token = token_of(balancer)
    balancer.tick(now=9.9)
    assert balancer.expired == 0

    balancer.tick(now=12.5)

    assert balancer.expired == 1
    assert recorder.calls[-1] == ("settled", "a", LOST, 12.5, None)
    assert balancer.statuses(now=12.5)[0].in_flight == 0
    with pytest.raises(UnknownPick, match="has expired"):
        balancer.report(token, ANSWERED, now=13.0)


def test_picks_sweep_too_and_an_expiry_of_its_own_counts() -> None:
    balancer, _ = balancer_of(expiry_s=60.0)
    token_of(balancer, expires_at=1.0)
    token_of(balancer, expires_at=100.0)
    token_of(balancer, now=15.0)

    assert balancer.expired == 1


def test_a_late_report_of_a_target_that_left_does_not_reach_the_policy() -> None:
    balancer, recorder = balancer_of()
    token = token_of(balancer)
    balancer.update([Target("b")], now=0.0)
    balancer.report(token, ANSWERED, now=0.1)

    assert recorder.calls == [("picked", "a")]


def test_a_late_report_does_not_count_for_a_target_that_joined_again_under_the_same_key() -> None:
    balancer, recorder = balancer_of()
    token = token_of(balancer)
    balancer.update([Target("b")], now=0.0)
    balancer.update([Target("a"), Target("b")], now=0.0)
    token_of(balancer)
    balancer.report(token, ANSWERED, now=0.1)

    assert [call[0] for call in recorder.calls] == ["picked", "picked"]
    status = {it.target: it for it in balancer.statuses(now=0.1)}["a"]
    assert (status.picks, status.in_flight, status.latency_s) == (1, 1, None)


def test_a_leaked_pick_of_a_target_that_left_expires_without_a_trace() -> None:
    balancer, recorder = balancer_of(expiry_s=1.0)
    token_of(balancer)
    balancer.update([Target("b")], now=0.0)
    balancer.tick(now=2.0)

    assert balancer.expired == 1
    assert recorder.calls == [("picked", "a")]


def test_the_latency_is_never_negative() -> None:
    balancer, recorder = balancer_of()
    balancer.report(token_of(balancer, now=5.0), ANSWERED, now=4.0)

    assert recorder.calls[-1] == ("settled", "a", ANSWERED, 0.0, None)


def test_no_allowed_target_is_no_pick() -> None:
    balancer, recorder = balancer_of()

    assert balancer.pick(now=0.0, exclude=frozenset("ab")) is None
    assert recorder.calls == []


def test_a_key_that_is_given_twice_is_refused_and_named() -> None:
    balancer, _ = balancer_of()

    with pytest.raises(ValueError, match="target 'b' is given twice"):
        balancer.update([Target("a"), Target("b"), Target("b")], now=0.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, float("inf"), float("nan")])
def test_a_weight_that_is_no_share_is_refused_and_names_the_target(weight: float) -> None:
    with pytest.raises(ValueError, match=f"target 'a' has weight {weight}"):
        Target("a", weight)


@pytest.mark.parametrize("expiry_s", [0.0, -1.0, float("inf"), float("nan")])
def test_an_expiry_that_never_comes_is_refused(expiry_s: float) -> None:
    with pytest.raises(ValueError, match=f"expiry_s={expiry_s} must be above 0 and finite"):
        Balancer(RoundRobin(), rng=random.Random(1), expiry_s=expiry_s)


def test_statuses_count_picks_failures_and_latencies() -> None:
    """Latencies 0.1, then 0.3 with weight 0.1: 0.1 + 0.1 · 0.2 = 0.12."""
    balancer, _ = balancer_of()
    for latency_s in (0.1, 0.3):
        balancer.report(token_of(balancer), ANSWERED, now=latency_s)
    balancer.report(token_of(balancer), RequestOutcome.FAILED, now=9.0)
    token_of(balancer)

    first, second = balancer.statuses(now=9.0)
    assert (first.target, first.picks, first.failures, first.in_flight) == ("a", 4, 1, 1)
    assert first.latency_s == pytest.approx(0.12)
    assert (first.state, first.weight, first.wanted_share) == ("serving", 1.0, None)
    assert (second.target, second.picks, second.latency_s) == ("b", 0, None)


@pytest.mark.parametrize("seed", range(10))
def test_every_pick_is_settled_exactly_once(seed: int) -> None:
    """Random reports, leaks and double reports: in the end the settled requests are the picked ones."""
    rng = random.Random(seed)
    balancer, recorder = balancer_of(expiry_s=1.0)
    tokens: list[int] = []
    now = 0.0
    for _ in range(2000):
        now += rng.random() * 0.01
        if rng.random() < 0.6:
            tokens.append(token_of(balancer, now=now))
        elif tokens:
            with contextlib.suppress(UnknownPick):
                balancer.report(rng.choice(tokens), ANSWERED, now=now)
    balancer.tick(now=now + 2.0)

    kinds = [call[0] for call in recorder.calls]
    assert kinds.count("picked") == kinds.count("settled") == len(tokens)
    assert sum(status.in_flight for status in balancer.statuses(now=now)) == 0


class Raising(Recorder):
    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        raise RuntimeError("a mistake in picked")

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        raise RuntimeError("a mistake in settled")


def test_what_a_policy_raises_when_it_takes_note_is_handed_over_and_the_pick_counts() -> None:
    errors: list[str] = []
    balancer = Balancer(
        Raising(),
        rng=random.Random(1),
        expiry_s=60.0,
        on_error=lambda method, error: errors.append(f"{method}: {error}"),
    )
    balancer.update([Target("a")], now=0.0)

    first, second = balancer.pick(now=0.0), balancer.pick(now=0.0)
    assert first is not None
    assert second is not None
    balancer.report(first.token, ANSWERED, now=1.0)
    balancer.tick(now=100.0)  # the second expires

    assert errors == ["picked: a mistake in picked"] * 2 + ["settled: a mistake in settled"] * 2
    assert [(status.picks, status.in_flight) for status in balancer.statuses(now=100.0)] == [(2, 0)]


def test_without_anybody_to_hand_it_to_what_a_policy_raises_is_raised() -> None:
    balancer = Balancer(Raising(), rng=random.Random(1))
    balancer.update([Target("a")], now=0.0)

    with pytest.raises(RuntimeError, match="a mistake in picked"):
        balancer.pick(now=0.0)
