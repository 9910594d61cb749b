"""Promises of all policies: exclusions, departures, empty lists, determinism, and reports that can always be read."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import pytest

from coterie.protocols.balancing import (
    C3,
    Balancer,
    LeastLoaded,
    LoadReport,
    NodeResources,
    PeakEwma,
    Pick,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    ReportedInFlight,
    ReportedWeights,
    RequestOutcome,
    RoundRobin,
    Target,
)
from coterie.protocols.balancing.policy import uses_load_reports
from tests.protocols.balancing.every_policy import EVERY_POLICY, pick, picker_of, targets

every_policy = pytest.mark.parametrize("policy", EVERY_POLICY.values(), ids=EVERY_POLICY)


class RandomLife:
    """A caller's life with one policy: targets come, go and change their weights, requests end in every way."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self.rng = random.Random(seed)
        self.balancer = Balancer(policy, rng=random.Random(seed))
        self.now = 0.0
        self.present: set[str] = set()
        self.open: list[Pick] = []

    def load(self) -> LoadReport:
        rng = self.rng
        return LoadReport(
            in_flight=rng.randrange(20),
            latency_s=rng.choice([None, rng.random()]),
            service_s=rng.choice([None, rng.random()]),
            requests_per_s=rng.choice([0.0, 100 * rng.random()]),
            errors_per_s=rng.random(),
            utilization=rng.choice([None, 0.0, rng.random()]),
            resources=rng.choice([None, NodeResources(cpu_used=rng.random(), loop_used_elsewhere=rng.random())]),
        )

    def change_targets(self) -> None:
        keys = self.rng.sample([f"t{number}" for number in range(12)], self.rng.randrange(8))
        self.present = set(keys)
        chosen = [Target(key, self.rng.choice([0.1, 1.0, 2.0, 7.5]), node=key[-1]) for key in keys]
        self.balancer.update(chosen, now=self.now)

    def pick(self) -> tuple[str | None, frozenset[str]]:
        exclude = frozenset(f"t{number}" for number in range(12) if self.rng.random() < self.rng.choice([0, 0.2, 0.9]))
        key = self.rng.choice([None, "key", b"key"])
        made = self.balancer.pick(now=self.now, key=key, exclude=exclude)
        if made is None:
            return None, exclude
        self.open.append(made)
        for probe in made.probes:
            self.answer_probe(probe)
        return made.target, exclude

    def answer_probe(self, probe: object) -> None:
        self.balancer.probed(probe, self.rng.choice([None, self.load()]), now=self.now)  # type: ignore[arg-type]

    def report(self) -> None:
        if self.open:
            made = self.open.pop(self.rng.randrange(len(self.open)))
            outcome = self.rng.choice(list(RequestOutcome))
            self.balancer.report(made.token, outcome, now=self.now, load=self.rng.choice([None, self.load()]))

    def steps(self, count: int) -> Iterator[tuple[str | None, frozenset[str]]]:
        """Live for a while, and yield each pick with what was excluded from it."""
        for _ in range(count):
            self.now += self.rng.choice([0.0, 0.001, 0.05])
            what = self.rng.random()
            if what < 0.05:
                self.change_targets()
            elif what < 0.4:
                self.report()
            elif what < 0.45:
                for probe in self.balancer.tick(now=self.now):
                    self.answer_probe(probe)
            else:
                yield self.pick()


@every_policy
@pytest.mark.parametrize("seed", range(3))
def test_no_pick_is_of_an_excluded_or_departed_target(policy: Policy, seed: int) -> None:
    life = RandomLife(policy, seed)

    for target, exclude in life.steps(800):
        allowed = life.present - exclude
        assert (target in allowed) if target is not None else not allowed


@every_policy
def test_the_same_seed_gives_the_same_picks(policy: Policy) -> None:
    one, other = RandomLife(policy, 3), RandomLife(policy, 3)

    assert list(one.steps(500)) == list(other.steps(500))
    assert one.balancer.explain() == other.balancer.explain()


@every_policy
def test_shares_and_explanations_can_be_read_at_any_time(policy: Policy) -> None:
    life = RandomLife(policy, 4)
    assert life.balancer.explain() == "there are no targets"

    for _ in life.steps(500):
        shares = [it.wanted_share for it in life.balancer.statuses(now=life.now)]
        assert None in shares or not shares or sum(it for it in shares if it is not None) == pytest.approx(1)
        text = life.balancer.explain()
        assert text
        assert "\n" not in text


@every_policy
def test_no_targets_give_no_pick(policy: Policy) -> None:
    picker = picker_of(policy, [])

    assert pick(picker) is None
    assert picker.tick(now=1.0) == ()


@every_policy
def test_one_target_gets_every_pick(policy: Policy) -> None:
    picker = picker_of(policy, targets("a", 0.3))

    assert {pick(picker) for _ in range(100)} == {"a"}
    assert pick(picker, exclude="a") is None
    assert picker.explain() == "no target is allowed"


@every_policy
def test_an_excluded_target_may_be_picked_again_later(policy: Policy) -> None:
    picker = picker_of(policy, targets("ab"))
    assert {pick(picker, exclude="a") for _ in range(20)} == {"b"}

    assert "a" in {pick(picker) for _ in range(60)}


@every_policy
def test_an_update_with_the_same_targets_changes_nothing(policy: Policy) -> None:
    one, other = picker_of(policy, targets("abcde")), picker_of(policy, targets("abcde"))
    traces: list[list[str | None]] = [[], []]
    for number in range(200):
        for trace, picker in zip(traces, (one, other), strict=True):
            trace.append(pick(picker, now=number / 100))
        other.update(targets("abcde"), now=number / 100)

    assert traces[0] == traces[1]


@every_policy
def test_settings_cannot_be_changed_and_have_no_further_fields(policy: Policy) -> None:
    assert type(policy).__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert not hasattr(policy, "__dict__")
    assert hash(policy) == hash(copy.copy(policy))


TINIEST, HUGE = 5e-324, 1e308


@every_policy
@pytest.mark.parametrize(
    "weights",
    [(TINIEST,) * 3, (HUGE,) * 3, (HUGE, 1 / HUGE, 1.0), (TINIEST, 1.0, 1.0), (1e-300, 1.0, 1e300), (1e-9, 1.0, 1.0)],
)
def test_weights_at_the_ends_of_what_a_number_can_be_are_weights(policy: Policy, weights: tuple[float, ...]) -> None:
    balancer = Balancer(policy, rng=random.Random(1))
    balancer.update(targets("abc", *weights), now=0.0)
    picked = set()
    for number in range(100):
        now, exclude = (
            number / 10,
            {frozenset("ab"), frozenset("bc"), frozenset("ca")} if number > 60 else {frozenset()},
        )
        for excluded in sorted(exclude, key=sorted):
            made = balancer.pick(now=now, exclude=excluded)
            assert made is not None
            picked.add(made.target)
            assert balancer.explain()
            load = LoadReport(in_flight=0, resources=NodeResources(cpu_used=0.5, loop_used_elsewhere=0.1))
            balancer.report(made.token, RequestOutcome.ANSWERED, now=now, load=load)
    shares = [it.wanted_share for it in balancer.statuses(now=10.0)]

    assert picked == set("abc")
    assert None in shares or sum(share for share in shares if share is not None) == pytest.approx(1)


@pytest.mark.parametrize("scale", [TINIEST, 1e-300, 1e-3, 3.0, 8000.0, 4e307])
@every_policy
def test_only_the_proportions_of_weights_count(policy: Policy, scale: float) -> None:
    shares = []
    for factor in (1.0, scale):
        picker = picker_of(policy, targets("abc", factor, 2 * factor, 4 * factor))
        for number in range(50):
            pick(picker, now=number / 10)
        shares.append(picker.shares(now=5.0))

    assert shares[1] == (None if shares[0] is None else pytest.approx(shares[0], abs=1e-3))


@every_policy
@pytest.mark.parametrize("how", ["slow", "lost"])
def test_a_target_that_recovers_gets_requests_again_within_a_minute(policy: Policy, how: str) -> None:
    """For 5 s `a` answers after 1 s, or not at all. `PeakEwma` is the slowest: 10 s · ln(1 s / 3 ms) = 58 s."""
    balancer = Balancer(policy, rng=random.Random(1))
    balancer.update(targets("abc"), now=0.0)
    now, again = 0.0, False
    while now < 65 and not again:
        now += 0.05
        made = balancer.pick(now=now)
        assert made is not None
        for probe in (*made.probes, *balancer.tick(now=now)):
            balancer.probed(probe, LoadReport(in_flight=0, latency_s=0.003, service_s=0.003), now=now)
        is_bad = made.target == "a" and now < 5
        again = made.target == "a" and now > 5
        latency_s = 1.0 if is_bad else 0.003
        outcome = RequestOutcome.LOST if is_bad and how == "lost" else RequestOutcome.ANSWERED
        load = LoadReport(in_flight=10 * is_bad, latency_s=latency_s, service_s=0.003)
        now += latency_s if is_bad else 0.0
        balancer.report(made.token, outcome, now=now + 0.003, load=None if outcome is RequestOutcome.LOST else load)

    assert again


@pytest.mark.parametrize(
    ("policy", "is_used"),
    [
        (LeastLoaded(C3()), True),
        (PowerOfTwoChoices(ReportedInFlight()), True),
        (ReportedWeights(), True),
        (PowerOfTwoChoices(PeakEwma()), False),
        (Prequal(), False),  # it looks at the answers of its probes alone
        (RoundRobin(), False),
    ],
)
def test_policies_say_whether_they_look_at_the_reports_of_replies(policy: Policy, is_used: bool) -> None:
    assert uses_load_reports(policy) is is_used
