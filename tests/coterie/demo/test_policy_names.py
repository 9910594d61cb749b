from __future__ import annotations

import random

import pytest

from coterie.cli import main
from coterie.demo.policy_names import POLICY_BY_NAME, policy_named
from coterie.protocols.balancing import Balancer, Target


@pytest.mark.parametrize("name", POLICY_BY_NAME)
def test_each_name_is_a_policy_that_picks(name: str) -> None:
    balancer = Balancer(policy_named(name), rng=random.Random(1))
    balancer.update([Target("a"), Target("b")], now=0.0)

    pick = balancer.pick(now=0.0, key="k")

    assert pick is not None
    assert pick.target in "ab"


def test_a_wrong_name_lists_the_right_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--balance", "prequel"]) == 1

    assert "there is no policy 'prequel': choose one of bounded-loads, c3, " in capsys.readouterr().err
