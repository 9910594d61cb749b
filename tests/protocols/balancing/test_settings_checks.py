"""Policies refuse what is no policy, no measure or no formula when they are made, and say what to give instead."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from coterie.protocols.balancing import (
    BoundedLoads,
    CircuitBreaker,
    HashRing,
    InFlight,
    LeastLoaded,
    Maglev,
    Measure,
    Meter,
    OutlierEjection,
    PeakEwma,
    Picker,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    RemainingCapacity,
    ResourceWeights,
    RetryBudget,
    RoundRobin,
    SlowStart,
)
from coterie.protocols.balancing.policy import uses_keys


def wrong(make: Any, *arguments: object) -> Callable[[], object]:
    return lambda: make(*arguments)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            wrong(PowerOfTwoChoices, PeakEwma),
            "PowerOfTwoChoices: measure=PeakEwma is a class: give its settings, for example PeakEwma()",
        ),
        (
            wrong(LeastLoaded, HashRing()),
            (
                "LeastLoaded: measure=HashRing(virtual_nodes=128) is a policy: give the settings of a measure, for"
                " example PeakEwma()"
            ),
        ),
        (
            wrong(LeastLoaded, "in flight"),
            "LeastLoaded: measure='in flight' is no measure: give the settings of a measure, for example PeakEwma()",
        ),
        (
            wrong(LeastLoaded, RetryBudget(ratio=0.5)),
            (
                "LeastLoaded: measure=RetryBudget(ratio=0.5, min_per_s=10.0, window_s=10.0) is no measure: give the"
                " settings of a measure, for example PeakEwma()"
            ),
        ),
        (
            wrong(SlowStart, RoundRobin),
            "SlowStart: policy=RoundRobin is a class: give its settings, for example RoundRobin()",
        ),
        (
            wrong(OutlierEjection, InFlight()),
            (
                "OutlierEjection: policy=InFlight() is a measure: give a policy that uses it, for example"
                " LeastLoaded(PeakEwma())"
            ),
        ),
        (
            wrong(CircuitBreaker, None),
            "CircuitBreaker: policy=None is no policy: give the settings of one, for example RoundRobin()",
        ),
        (
            wrong(BoundedLoads, Maglev),
            "BoundedLoads: policy=Maglev is a class: give its settings, for example RoundRobin()",
        ),
        (
            wrong(ResourceWeights, RemainingCapacity),
            "ResourceWeights: formula=RemainingCapacity is a class: give its settings, for example RemainingCapacity()",
        ),
        (
            wrong(ResourceWeights, InFlight()),
            (
                "ResourceWeights: formula=InFlight() is no capacity formula: give the settings of one, for"
                " example RemainingCapacity()"
            ),
        ),
    ],
)
def test_a_wrong_part_of_a_policy_is_refused_with_what_to_give_instead(make: Callable[[], object], text: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()

    assert str(caught.value) == text


def test_bounded_loads_refuses_a_policy_that_does_not_pick_by_keys() -> None:
    with pytest.raises(ValueError, match=r"^BoundedLoads: policy=RoundRobin\(\) does not pick by keys: give one that"):
        BoundedLoads(RoundRobin())


@dataclass(frozen=True, slots=True)
class Own:
    """A policy of a user's own, with an argument that has a default."""

    uses_keys: ClassVar[bool] = True

    def make(self, rng: random.Random, greeting: str = "hello") -> Picker:
        return RandomChoice().make(rng)


@dataclass(frozen=True, slots=True)
class OwnMeasure:
    """A measure of a user's own."""

    def make(self) -> Meter:
        return PeakEwma().make()


def test_policies_and_measures_of_ones_own_are_accepted() -> None:
    own_measure: Measure = OwnMeasure()

    assert BoundedLoads(SlowStart(Own())).policy == SlowStart(Own())
    assert LeastLoaded(own_measure).measure is own_measure


@pytest.mark.parametrize(
    ("policy", "is_used"),
    [
        (HashRing(), True),
        (OutlierEjection(BoundedLoads()), True),
        (SlowStart(RoundRobin()), False),
        (Prequal(), False),
    ],
)
def test_policies_say_whether_they_pick_by_keys(policy: Policy, is_used: bool) -> None:
    assert uses_keys(policy) is is_used
