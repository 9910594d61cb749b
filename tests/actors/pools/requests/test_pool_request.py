"""The attempts of a request: retries within the budget and the time, hedges, and one report for each pick."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from coterie.errors import (
    ActorFailed,
    AskTimeout,
    BadMessage,
    MailboxFullError,
    MessageTypeError,
    NoTargets,
)
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.runtime.actor import Actor
from coterie.runtime.system import System
from coterie.testing import Systems, advance
from tests.actors.pools.requests.counted_requests import (
    HANDLED,
    Ledger,
    Once,
    Twice,
    Worker,
    now,
    pool_of,
    pool_over,
)

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("ledgers")]


# --- conservation


async def test_there_is_one_report_for_each_pick_however_requests_end(system: System, ledgers: list[Ledger]) -> None:
    pool = pool_of(system, 3, hedging=Hedging(after_s=0.2, max_share=1.0))
    rng = random.Random(1)
    requests: list[asyncio.Task[Any]] = []
    for number in range(200):
        msg: Any = rng.choice(
            [Once(), Once(fails="x"), Once(fails="declared"), Once(9.0), Twice(), Twice(("w1",)), Twice(("w1", "w2"))]
        )
        timeout_s = rng.choice([None, 0.5, 3.0])
        requests.append(asyncio.create_task(pool.ask(msg, timeout_s=timeout_s, attempt_s=rng.choice([None, 0.3]))))
        if number % 7 == 0:
            rng.choice(requests).cancel()
        await advance(0.01)
    await asyncio.gather(*requests, return_exceptions=True)
    await advance(120.0)  # until the attempts that lost to a hedge have ended, too

    (ledger,) = ledgers
    assert ledger.picks == ledger.reports > 200
    assert ledger.expired == 0
    assert all(status.in_flight == 0 for status in ledger.statuses(now=now()))


async def test_a_message_that_cannot_be_sent_is_reported_too(system: System, ledgers: list[Ledger]) -> None:
    class NoMessage:
        pass

    pool: Any = pool_of(system, 2)

    with pytest.raises(MessageTypeError):
        await pool.ask(NoMessage())
    with pytest.raises(MessageTypeError):
        await pool.ask(NoMessage(), timeout_s=1.0)

    assert ledgers[0].picks == ledgers[0].reports == 2


async def test_a_field_of_a_wrong_type_is_reported_once_and_not_sent_to_other_targets() -> None:
    async with Systems("n1", "n2") as systems:
        refs = [systems["n2"].spawn(Worker, name=f"w{number}") for number in (1, 2)]
        pool = pool_over(systems["n1"], [systems["n1"].at(ref.address) for ref in refs])
        wrong: Any = object()

        with pytest.raises(BadMessage):
            await pool.ask(Once(sleep_s=wrong))

        assert Ledger.made[0].picks == Ledger.made[0].reports == 1
        assert not HANDLED


async def test_a_closed_pool_reports_what_is_under_way_and_refuses_the_rest(
    system: System, ledgers: list[Ledger]
) -> None:
    pool = pool_of(system, 2)
    running = asyncio.create_task(pool.ask(Once(1.0)))
    await advance(0.1)

    pool.close()

    assert await running in ("w1", "w2")
    with pytest.raises(NoTargets, match="it is closed"):
        await pool.ask(Once())
    assert ledgers[0].picks == ledgers[0].reports == 1


# --- retries


async def test_no_target_is_tried_twice_while_others_remain(system: System) -> None:
    pool = pool_of(system, 4)

    answer = await pool.ask(Twice(("w1", "w2", "w3")), timeout_s=10.0, attempt_s=0.5)

    assert answer == "w4"
    assert max(HANDLED.values()) == 1
    assert now() < 2.0


async def test_a_full_target_is_left_for_another_one(system: System) -> None:
    pool = pool_of(system, 2, capacity=1)
    w1 = (await pool.workers())[0]
    block = [w1.ask(Once(5.0)) for _ in range(1)]
    await advance(0.1)
    block.append(w1.ask(Once(0.0)))

    answers = [await pool.ask(Once()) for _ in range(4)]

    assert answers == ["w2"] * 4
    await asyncio.gather(*block)


async def test_a_message_that_is_not_idempotent_is_never_sent_twice_after_an_unknown_outcome(system: System) -> None:
    pool = pool_of(system, 3)

    with pytest.raises(AskTimeout):
        await pool.ask(Once(9.0), timeout_s=1.0, attempt_s=0.1)
    with pytest.raises(ActorFailed):
        await pool.ask(Once(fails="oops"))

    assert HANDLED.total() == 2


async def test_an_idempotent_request_goes_round_again_when_all_were_tried(system: System) -> None:
    pool = pool_of(system, 2)

    answer = await pool.ask(Twice(("w1", "w2"), sleep_s=0.5, is_slow_once=True), timeout_s=9.0, attempt_s=0.3)

    assert answer in ("w1", "w2")
    assert HANDLED["w1"] > 1 or HANDLED["w2"] > 1
    assert pool.report(9).retries >= 2


async def test_all_targets_that_refuse_are_tried_again_until_there_is_room(system: System) -> None:
    pool = pool_of(system, 1, capacity=1)
    (w1,) = await pool.workers()
    block = [w1.ask(Once(0.3))]
    await advance(0.01)
    block.append(w1.ask(Once(0.0)))

    assert await pool.ask(Once(), timeout_s=5.0) == "w1"

    assert 0.3 < now() < 1.5
    await asyncio.gather(*block)


async def test_an_empty_budget_ends_the_retries_with_the_last_error(system: System) -> None:
    pool = pool_of(system, 3, capacity=1, retry_budget=RetryBudget(ratio=0.0, min_per_s=0.1, window_s=10.0))
    refs = await pool.workers()
    block = [ref.ask(Once(2.0)) for ref in refs]
    await advance(0.01)
    block += [ref.ask(Once(0.0)) for ref in refs]
    began = now()

    for count in ("2 attempts", "1 attempt"):
        with pytest.raises(MailboxFullError) as caught:
            await pool.ask(Once())
        assert str(caught.value).endswith(f" ({count}; the retry budget refused another one, see retry_budget=)")

    assert now() - began < 0.1
    assert pool.report(9).retries == 1
    assert pool.report(9).retries_refused == 2
    await asyncio.gather(*block)


@pytest.mark.parametrize("failing", [True, False])
async def test_a_retry_budget_caps_the_amplification(system: System, failing: bool) -> None:
    budget = RetryBudget(ratio=0.1, min_per_s=1.0, window_s=10.0)
    pool = pool_of(system, 5, retry_budget=budget)
    sleeping = tuple(f"w{number}" for number in range(1, 6)) if failing else ()
    for _ in range(100):
        request = asyncio.create_task(pool.ask(Twice(sleeping, sleep_s=0.05), timeout_s=0.04, attempt_s=0.01))
        await asyncio.gather(request, return_exceptions=True)

    assert Ledger.made[0].picks <= 100 * 1.1 + 10
    assert (Ledger.made[0].picks > 100) is failing


async def test_the_time_of_a_request_is_not_exceeded_by_its_retries(system: System) -> None:
    pool = pool_of(system, 3)
    began = now()

    with pytest.raises(AskTimeout, match=r"no reply in time; it may have run \(. attempts of at most attempt_s=0.3\)$"):
        await pool.ask(Twice(("w1", "w2", "w3")), timeout_s=1.0, attempt_s=0.3)

    assert now() - began < 1.1


async def test_a_request_of_a_handler_has_no_more_time_than_the_handler(system: System) -> None:
    pool = pool_of(system, 3)
    ended: list[float] = []

    class Asking(Actor[Once]):
        async def receive(self, msg: Once, /) -> str:
            try:
                return await pool.ask(Twice(("w1", "w2", "w3")), timeout_s=50.0, attempt_s=0.5)
            finally:
                ended.append(now())

    asking = system.spawn(Asking)
    began = now()

    with pytest.raises(AskTimeout):
        await asking.ask(Once(), timeout_s=0.8)
    await advance(5.0)

    assert len(ended) == 1
    assert ended[0] - began < 1.0


async def test_the_error_of_a_lone_attempt_is_as_it_was_unless_it_had_a_limit(system: System) -> None:
    pool = pool_of(system, 3, retry_budget=RetryBudget(ratio=0.0, min_per_s=0.0))

    with pytest.raises(AskTimeout, match=r"it may have run$"):
        await pool.ask(Once(9.0), timeout_s=0.5, attempt_s=0.1)
    with pytest.raises(ActorFailed, match=r"oops$"):
        await pool.ask(Once(fails="oops"))
    with pytest.raises(AskTimeout) as caught:
        await pool.ask(Twice(("w1", "w2", "w3")), timeout_s=0.5, attempt_s=0.1)

    limits = "1 attempt of at most attempt_s=0.1; the retry budget refused another one, see retry_budget="
    assert str(caught.value).endswith(f"no reply in time; it may have run ({limits})")


# --- keys


@pytest.mark.parametrize("key", [5, ("a", 1), bytearray(b"a")])
async def test_a_key_of_a_wrong_type_is_refused_and_nothing_is_sent(system: System, key: Any) -> None:
    pool = pool_of(system, 2)
    kind = type(key).__name__

    with pytest.raises(TypeError, match=rf"^pool 'pool': key=.* is of type {kind}: it must be a str or bytes$"):
        await pool.ask(Once(), key=key)
    with pytest.raises(TypeError, match=r"it must be a str or bytes$"):
        pool.tell(Once(), key)

    assert Ledger.made[0].picks == 0
    assert not HANDLED


# --- hedging


async def test_a_slow_request_is_sent_to_a_second_target_and_the_first_reply_counts(system: System) -> None:
    pool = pool_of(system, 3, hedging=Hedging(after_s=0.2, max_share=1.0))
    began = now()

    answers = [await pool.ask(Twice(("w1",), sleep_s=3.0)) for _ in range(3)]

    assert "w1" not in answers
    assert now() - began < 0.5
    assert 1 <= pool.report(9).hedges <= 2  # w1 may be asked again before it is back


async def test_a_request_that_may_not_be_handled_twice_is_not_hedged(system: System) -> None:
    pool = pool_of(system, 3, hedging=Hedging(after_s=0.2, max_share=1.0))

    await pool.ask(Once(1.0))

    assert HANDLED.total() == 1


async def test_if_the_hedge_fails_the_first_attempt_still_counts(system: System) -> None:
    pool = pool_of(system, 2, hedging=Hedging(after_s=0.2, max_share=1.0))
    w1, w2 = await pool.workers()
    first = asyncio.create_task(pool.ask(Twice(("w1", "w2"), sleep_s=1.0)))
    await advance(0.1)
    other = w2 if HANDLED["w1"] else w1

    await system.stop(other)

    assert await first == ("w1" if other is w2 else "w2")


async def test_the_share_of_hedged_requests_is_bounded(system: System) -> None:
    pool = pool_of(system, 3, hedging=Hedging(after_s=0.1, max_share=0.1))
    for _ in range(100):
        await pool.ask(Twice(("w1", "w2", "w3"), sleep_s=0.2))

    assert 5 <= pool.report(9).hedges <= 10


async def test_a_caller_that_gives_up_cancels_both_attempts(system: System, ledgers: list[Ledger]) -> None:
    pool = pool_of(system, 2, hedging=Hedging(after_s=0.2, max_share=1.0))
    request = asyncio.create_task(pool.ask(Twice(("w1", "w2")), timeout_s=60.0))
    await advance(1.0)
    assert HANDLED == {"w1": 1, "w2": 1}

    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await advance(0.1)

    assert ledgers[0].picks == ledgers[0].reports == 2
