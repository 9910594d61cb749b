"""The options of a pool's caller: checked when they are given, and refused if the pool is open with others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie.actors.cluster_api import ClusterApi
from coterie.actors.pools.balancer_actor import BalancerActor
from coterie.protocols.balancing import HashRing, Hedging, InFlight, Prequal, RetryBudget, RoundRobin, SmoothWeighted
from coterie.testing import Systems

pytestmark = pytest.mark.virtual

MISTAKES = [
    ({"balance": RoundRobin}, "balance=RoundRobin is a class: give its settings, for example RoundRobin()"),
    ({"balance": "prequal"}, "balance='prequal' is no policy: give the settings of one, for example RoundRobin()"),
    (
        {"balance": InFlight()},
        "balance=InFlight() is a measure: give a policy that uses it, for example LeastLoaded(PeakEwma())",
    ),
    (
        {"retry_budget": 0.2},
        "retry_budget=0.2 is no retry budget: give its settings, for example RetryBudget()",
    ),
    ({"hedging": True}, "hedging=True is no hedging: give its settings, for example Hedging()"),
    ({"hedging": Hedging}, "hedging=Hedging is no hedging: give its settings, for example Hedging()"),
]


@pytest.fixture
async def api() -> AsyncIterator[ClusterApi]:
    async with Systems("local") as systems:
        api = ClusterApi(systems["local"])
        yield api
        await api.handles.close()


@pytest.mark.parametrize(("options", "text"), MISTAKES)
async def test_a_wrong_option_is_refused_at_once_also_if_the_pool_is_open(
    api: ClusterApi, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(TypeError) as caught:
        api.pool("workers", **options)
    assert str(caught.value) == f"pool 'workers': {text}"

    api.pool("workers")
    with pytest.raises(TypeError) as caught:
        api.pool("workers", **options)
    assert str(caught.value) == f"pool 'workers': {text}"


async def test_all_wrong_options_are_named_in_one_error(api: ClusterApi) -> None:
    wrong: Any = {"balance": 1, "retry_budget": 2, "hedging": 3}

    with pytest.raises(TypeError, match=r"balance=1 is .*; retry_budget=2 is .*; hedging=3 is "):
        api.pool("workers", **wrong)


def test_a_balancer_actor_refuses_wrong_options() -> None:
    wrong: Any = RoundRobin

    with pytest.raises(TypeError, match=r"^BalancerActor: policy=RoundRobin is a class"):
        BalancerActor(wrong, [])


async def test_the_same_options_or_none_give_the_same_handle(api: ClusterApi) -> None:
    pool = api.pool("workers", balance=HashRing(), hedging=Hedging())

    assert api.pool("workers") is pool
    assert api.pool("workers", balance=HashRing()) is pool
    assert api.pool("workers", retry_budget=RetryBudget(), hedging=Hedging()) is pool
    assert api.pool("others", balance=SmoothWeighted()) is api.pool("others")


async def test_other_options_are_refused_with_both_values_while_the_pool_is_open(api: ClusterApi) -> None:
    api.pool("workers", balance=RoundRobin())

    with pytest.raises(ValueError, match="pool 'workers' is open with") as caught:
        api.pool("workers", balance=HashRing(), hedging=Hedging(after_s=1.0), retry_budget=RetryBudget())

    text = str(caught.value)
    assert text.startswith("pool 'workers' is open with balance=RoundRobin(), hedging=None: it cannot be opened with")
    assert "balance=HashRing(virtual_nodes=128), hedging=Hedging(" in text
    assert "retry_budget" not in text


async def test_a_closed_pool_is_made_anew_with_other_options(api: ClusterApi) -> None:
    pool = api.pool("workers", balance=RoundRobin())
    pool.close()

    other = api.pool("workers", balance=Prequal())

    assert other is not pool
    assert str(other.policy).startswith("Prequal(")
    assert api.pool("workers") is other


async def test_an_actor_without_its_node_is_refused_without_the_name_of_an_internal_class(api: ClusterApi) -> None:
    untyped: Any = api

    with pytest.raises(TypeError, match=r"^actor\(\) missing 1 required keyword-only argument: 'node'$"):
        untyped.actor("front")
