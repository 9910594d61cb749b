"""How requests end without a reply: in time, within the budget, and with an error that says what may have happened."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie.actors.pools.balancer_actor import BalancerActor
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.requests.fixed_targets import FixedTargets
from coterie.errors import (
    AskTimeout,
    BadMessage,
    ConnectionLost,
    CoterieError,
    MailboxFullError,
    NoTargets,
    Outcome,
)
from coterie.protocols.balancing import RoundRobin
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.system_config import SystemConfig
from coterie.testing import Systems, TestKit, advance
from tests.actors.pools.requests.counted_requests import (
    HANDLED,
    Declared,
    Ledger,
    Once,
    Refusing,
    Twice,
    Worker,
    now,
    pool_of,
    pool_over,
)

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("ledgers")]


async def test_retries_after_a_balancer_that_reached_nobody_take_from_the_budget(system: System) -> None:
    gone = system.at(Address("gone", "w"))
    inner = [system.spawn(partial(BalancerActor, RoundRobin(), [gone], messages=[Once])) for _ in range(20)]
    pool = pool_over(system, inner, retry_budget=RetryBudget(ratio=3.0, min_per_s=0.0))

    with pytest.raises(NoTargets):
        await pool.ask(Once())

    assert Ledger.made[0].picks == 1 + 3
    assert pool.report(1).retries == 3


# --- time


class SlowTargets(FixedTargets):
    """Targets that are not known until 0.9 s have passed, and after each change."""

    @property
    def is_waiting(self) -> bool:
        return True

    async def wait(self, timeout_s: float) -> None:
        await asyncio.sleep(min(0.9, timeout_s))


@pytest.mark.parametrize("options", [{"timeout_s": 1.5}, {"timeout_s": 1.5, "attempt_s": 1.4}, {"timeout_s": 0.5}])
async def test_the_time_of_a_request_contains_the_wait_for_the_first_targets(
    system: System, options: dict[str, Any]
) -> None:
    refs = [system.spawn(Worker, name="w1")]
    pool = Pool(system, "pool", lambda *_: SlowTargets(system, refs), policy=RoundRobin())
    began = now()

    with pytest.raises(CoterieError):
        await pool.ask(Twice(("w1",)), **options)

    assert now() - began < options["timeout_s"] + 0.05


async def test_the_wait_for_the_first_targets_counts_against_the_default_time(system: System) -> None:
    refs = [system.spawn(Worker, name="w1")]
    pool = Pool(system, "pool", lambda *_: SlowTargets(system, refs), policy=RoundRobin())
    began = now()

    with pytest.raises(AskTimeout):
        await pool.ask(Once(100.0))

    assert now() - began < 5.05


@pytest.mark.parametrize("attempt_s", [0.0, -1.0, float("nan"), float("inf")])
async def test_a_limit_of_an_attempt_that_is_no_time_is_refused_before_anything_is_sent(
    system: System, attempt_s: float
) -> None:
    pool = pool_of(system, 2)

    with pytest.raises(ValueError, match=rf"attempt_s={attempt_s} must be above 0 and finite"):
        await pool.ask(Once(), attempt_s=attempt_s)

    assert not HANDLED


async def test_a_timeout_that_is_no_number_is_refused_before_anything_is_sent(system: System) -> None:
    pool = pool_of(system, 2)

    with pytest.raises(ValueError, match="timeout_s is nan"):
        await pool.ask(Once(), timeout_s=float("nan"))

    assert not HANDLED


async def test_a_request_of_the_default_time_is_not_settled_before_its_deadline(ledgers: list[Ledger]) -> None:
    async with TestKit(config=SystemConfig(ask_timeout_s=300.0)) as kit:
        pool = pool_of(kit.system, 2)
        await pool.ask(Once())  # so that it has targets
        slow = asyncio.create_task(pool.ask(Once(200.0)))
        await advance(150.0)
        await pool.ask(Once())  # expired picks are looked for when others are made

        assert pool.report(9).targets[0].in_flight + pool.report(9).targets[1].in_flight == 1
        await slow
        assert ledgers[0].expired == 0


# --- what the caller is told


async def test_once_a_target_may_have_handled_a_request_its_error_is_unknown_whatever_followed(system: System) -> None:
    refs = [system.spawn(Worker, name=f"w{number}", capacity=1) for number in (1, 2)]
    block = [refs[1].ask(Once(999.0), timeout_s=1e4)]
    await advance(0.01)
    block.append(refs[1].ask(Once(), timeout_s=1e4))  # w2 is full
    pool = pool_over(system, refs, retry_budget=RetryBudget(ratio=1.0, min_per_s=0.0))
    for _ in range(4):
        HANDLED.clear()

        with pytest.raises(CoterieError) as caught:
            await pool.ask(Twice(("w1",), sleep_s=1.5), timeout_s=1.0, attempt_s=0.5)

        assert HANDLED["w1"] >= 1
        assert caught.value.outcome is Outcome.UNKNOWN
        await advance(9.0)
    for each in block:
        each.cancel()


@pytest.mark.parametrize("is_behind_a_balancer", [False, True])
async def test_if_one_of_two_attempts_may_have_been_handled_the_error_is_unknown(is_behind_a_balancer: bool) -> None:
    async with Systems("n1", "n2") as systems:
        system = systems["n1"]
        systems["n2"].spawn(Worker, name="w2")
        refs: list[Ref[Any]] = [system.spawn(Refusing, name="w1"), system.at(Address("n2", "w2"))]
        options: Any = {"retry_budget": RetryBudget(0.0, min_per_s=0.0), "hedging": Hedging(after_s=0.2, max_share=1.0)}
        front: Any = pool_over(system, refs, **options)
        if is_behind_a_balancer:
            front = system.spawn(partial(BalancerActor, RoundRobin(), refs, **options))
        request = asyncio.ensure_future(front.ask(Twice(("w2",)), timeout_s=5.0))
        await advance(0.4)
        assert HANDLED == {"w1": 1, "w2": 1}

        await systems.kill("n2")

        with pytest.raises(ConnectionLost):
            await request


async def test_an_error_of_a_node_without_a_link_does_not_hide_that_the_request_may_have_been_handled() -> None:
    async with Systems("n1", "n2") as systems:
        system = systems["n1"]
        targets = [system.spawn(Worker, name="w1"), system.at(Address("n2", "w2"))]
        pool = pool_over(system, targets, retry_budget=None)
        request = asyncio.create_task(pool.ask(Twice(("w1",)), timeout_s=5.0, attempt_s=1.0))
        await advance(0.1)
        await systems.kill("n2")

        with pytest.raises(CoterieError) as caught:
            await request

        assert HANDLED["w1"] == 1
        assert caught.value.outcome is Outcome.UNKNOWN


async def test_if_no_target_can_have_handled_a_request_its_error_is_definite(system: System) -> None:
    pool = pool_of(system, 2, capacity=1)
    refs = await pool.workers()
    block = [ref.ask(Once(60.0), timeout_s=99.0) for ref in refs]
    await advance(0.01)
    block += [ref.ask(Once(), timeout_s=99.0) for ref in refs]

    with pytest.raises(MailboxFullError):
        await pool.ask(Twice(), timeout_s=1.0)
    for each in block:
        each.cancel()


# --- hedging


@pytest.mark.parametrize("declares", [("w1",), ("w2",), ("w1", "w2")])
async def test_an_error_that_the_message_declares_is_an_answer_of_either_attempt(
    system: System, declares: tuple[str, ...]
) -> None:
    pool = pool_of(system, 2, hedging=Hedging(after_s=0.2, max_share=1.0))
    for _ in range(4):
        began = now()

        with pytest.raises(Declared):
            await pool.ask(Twice(("w1", "w2"), declares=declares), timeout_s=5.0)

        assert now() - began < 0.5


async def test_a_hedge_that_cannot_be_sent_leaves_the_first_attempt_alone(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_of(system, 1, hedging=Hedging(after_s=0.2, max_share=1.0))
    attempt, calls = pool._attempt, 0

    async def fails_once(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise BadMessage("not for the wire")
        return await attempt(*args)

    monkeypatch.setattr(pool, "_attempt", fails_once)

    assert await pool.ask(Twice(("w1",), sleep_s=1.0)) == "w1"
