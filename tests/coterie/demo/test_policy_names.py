from __future__ import annotations

import random

import pytest

from coterie.cli import main
from coterie.demo.policy_names import POLICY_BY_NAME, UnknownPolicy, policy_named
from coterie.protocols.balancing import Balancer, LeastLoaded, PeakEwma, PowerOfTwoChoices, ReportedInFlight, Target


@pytest.mark.parametrize("name", POLICY_BY_NAME)
def test_each_name_is_a_policy_that_picks(name: str) -> None:
    balancer = Balancer(policy_named(name), rng=random.Random(1))
    balancer.update([Target("a"), Target("b")], now=0.0)

    pick = balancer.pick(now=0.0, key="k")

    assert pick is not None
    assert pick.target in "ab"


@pytest.mark.parametrize("policy", POLICY_BY_NAME.values(), ids=POLICY_BY_NAME)
def test_the_class_of_each_policy_is_a_name_too(policy: object) -> None:
    assert type(policy_named(type(policy).__name__)) is type(policy)


@pytest.mark.parametrize(
    "name",
    ["power-of-two-choices", "PowerOfTwoChoices", "PowerOfTwoChoices()", "two_choices", "TWO-CHOICES", "twochoices"],
)
def test_capitals_and_dashes_do_not_count(name: str) -> None:
    assert policy_named(name) == PowerOfTwoChoices()


def test_a_measure_is_a_name_too() -> None:
    assert policy_named("PeakEwma") == PowerOfTwoChoices(PeakEwma())
    assert policy_named("ReportedInFlight") == LeastLoaded(ReportedInFlight())


@pytest.mark.parametrize("name", ["", "-", "two", "RoundRobinPicker"])
def test_a_part_of_a_name_is_no_name(name: str) -> None:
    with pytest.raises(UnknownPolicy):
        policy_named(name)


def test_a_wrong_name_lists_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--balance", "prequel"]) == 1

    assert "there is no policy 'prequel': choose one of bounded-loads, c3, " in capsys.readouterr().err
