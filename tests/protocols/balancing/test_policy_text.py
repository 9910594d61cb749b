from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from coterie.protocols import balancing
from coterie.protocols.balancing import (
    C3,
    BoundedLoads,
    CircuitBreaker,
    HashRing,
    LeastLoaded,
    LeastRequest,
    OutlierEjection,
    PeakEwma,
    PowerOfTwoChoices,
    Prequal,
    RoundRobin,
    SlowStart,
)
from coterie.protocols.balancing.policy_text import policy_text
from tests.protocols.balancing.every_policy import EVERY_POLICY


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (RoundRobin(), "RoundRobin()"),
        (Prequal(), "Prequal()"),
        (Prequal(rif_quantile=0.6, probe_timeout_s=0.02), "Prequal(rif_quantile=0.6, probe_timeout_s=0.02)"),
        (HashRing(virtual_nodes=16), "HashRing(virtual_nodes=16)"),
        (LeastLoaded(), "LeastLoaded()"),
        (LeastLoaded(C3(clients=9)), "LeastLoaded(C3(clients=9))"),
        (PowerOfTwoChoices(PeakEwma()), "PowerOfTwoChoices(PeakEwma())"),
        (PowerOfTwoChoices(PeakEwma(decay_s=3.0)), "PowerOfTwoChoices(PeakEwma(decay_s=3.0))"),
        (BoundedLoads(factor=1.5), "BoundedLoads(factor=1.5)"),
        (
            CircuitBreaker(OutlierEjection(SlowStart(LeastRequest(choices=3))), failures=2),
            "CircuitBreaker(OutlierEjection(SlowStart(LeastRequest(choices=3))), failures=2)",
        ),
    ],
)
def test_the_text_is_the_call_with_what_differs_from_the_defaults(settings: object, text: str) -> None:
    assert policy_text(settings) == text


@pytest.mark.parametrize("settings", EVERY_POLICY.values(), ids=EVERY_POLICY)
def test_the_text_of_every_policy_makes_an_equal_one(settings: object) -> None:
    assert eval(policy_text(settings), dict(vars(balancing))) == settings


class Bare:
    pass


def ratio() -> float:
    return 1.0


@dataclass(frozen=True, slots=True)
class Own:
    inner: object
    measure: Callable[..., object] = ratio


def test_objects_without_a_text_of_their_own_are_named_and_have_no_address() -> None:
    assert policy_text(Bare()) == "Bare()"
    assert policy_text(Own(Bare())) == "Own(inner=Bare())"
    assert policy_text(Own(RoundRobin(), policy_text)) == "Own(RoundRobin(), measure=policy_text)"
