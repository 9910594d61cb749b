"""A node's part of a pool grows and shrinks; callers learn of it, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie.actors.pools import pool_actor
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_messages import HOLD_S, ListWorkers
from coterie.actors.pools.pool_size import SizeLimits
from coterie.errors import ActorStopped, AskTimeout
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.testing import Systems, advance

pytestmark = pytest.mark.virtual

LIMITS = SizeLimits(1, 3, grow_at=2.0, grow_after_s=1.0, shrink_after_s=5.0)


@message(name="test.pool_actor.Work")
class Work(Ask[str]):
    seconds: float


class Worker(Actor[Work]):
    async def receive(self, msg: Work, /) -> str:
        await asyncio.sleep(msg.seconds)
        return self.context.self_ref.path


@message(name="test.pool_actor.End")
class End:
    fails: bool = False


class Frail(Actor[Work | End]):
    def receive(self, msg: Work | End, /) -> str | None:
        if isinstance(msg, Work):
            return self.context.self_ref.path
        if msg.fails:
            raise RuntimeError("told to")
        self.context.stop()
        return None


@message(name="test.pool_actor.Owe")
class Owe(Ask[str]):
    seconds: float
    how: str


@message(name="test.pool_actor.Pay")
class Pay:
    pass


class Deferring(Actor[Work | Owe]):
    """Answers `Owe` late, in one of three ways."""

    is_paying = False

    async def receive(self, msg: Work | Owe | Pay, /) -> str | None:
        match msg:
            case Pay():
                self.is_paying = True
                self.context.unstash()
            case Owe(how="from"):
                self.context.reply_from(msg, self._later(msg.seconds))
            case Owe(how="later"):
                later = self.context.reply_later(msg)
                asyncio.get_running_loop().call_later(msg.seconds, later.reply, self.context.self_ref.path)
            case Owe() if not self.is_paying:
                self.context.stash()
                self.context.after(msg.seconds, Pay())
            case Owe():
                return self.context.self_ref.path
            case Work():
                await asyncio.sleep(msg.seconds)
                return self.context.self_ref.path
        return None

    async def _later(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return self.context.self_ref.path


def spawn_pool(system: System, limits: SizeLimits = LIMITS, make: Callable[[], Actor[Any]] = Worker) -> Ref[Any]:
    return system.spawn(partial(PoolActor, make, limits, weight=1.0, exported=False), name="pool")


async def names(pool: Ref[Any]) -> list[str]:
    return [ref.path for ref in (await pool.ask(ListWorkers())).refs]


async def test_a_list_that_the_caller_has_is_held_until_it_changes() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"])
        first = await pool.ask(ListWorkers())
        held = pool.ask(ListWorkers(first.version), timeout_s=HOLD_S + 1)
        waiting = [first.refs[0].ask(Work(1.0), timeout_s=60.0) for _ in range(9)]
        await advance(0.5)
        assert not held.done()

        second = await held

        assert [ref.path for ref in second.refs] == ["pool/1", "pool/2"]
        assert second.version != first.version
        assert asyncio.get_running_loop().time() < 2.0
        await asyncio.gather(*waiting)


async def test_only_so_many_requests_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_actor, "HELD_MAX", 2)
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"])
        version = (await pool.ask(ListWorkers())).version

        asked = [pool.ask(ListWorkers(version), timeout_s=HOLD_S + 1) for _ in range(4)]
        await advance(0.1)

        assert [each.done() for each in asked] == [False, False, True, True]
        assert len({each.version for each in await asyncio.gather(*asked)}) == 1


async def test_a_list_that_does_not_change_is_answered_after_the_hold() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(2, 2))
        first = await pool.ask(ListWorkers())
        began = asyncio.get_running_loop().time()

        again = await pool.ask(ListWorkers(first.version), timeout_s=HOLD_S + 1)

        assert again == first
        assert HOLD_S <= asyncio.get_running_loop().time() - began < HOLD_S + 0.5


async def test_it_grows_to_the_most_while_messages_wait_and_shrinks_to_the_fewest_when_idle() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"])
        worker = (await pool.ask(ListWorkers())).refs[0]
        waiting = [worker.ask(Work(1.0), timeout_s=60.0) for _ in range(20)]

        await advance(5.0)
        grown = await names(pool)
        await asyncio.gather(*waiting)
        await advance(30.0)

        assert grown == ["pool/1", "pool/2", "pool/3"]
        assert await names(pool) == ["pool/1"]
        assert systems["local"].registry.cell_at("pool/3") is None


async def test_a_worker_that_leaves_handles_what_it_has_and_what_still_comes() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(1, 2, grow_at=2.0, grow_after_s=0.0, shrink_after_s=2.0))
        first = (await pool.ask(ListWorkers())).refs[0]
        waiting = [first.ask(Work(0.5), timeout_s=60.0) for _ in range(5)]
        await advance(1.0)
        second = (await pool.ask(ListWorkers())).refs[1]
        await asyncio.gather(*waiting)

        while len(await names(pool)) == 2:
            await advance(0.05)
        late = [second.ask(Work(2.0), timeout_s=60.0) for _ in range(2)]  # by a caller with the old list
        answers = await asyncio.gather(*late)
        await advance(1.0)

        assert answers == ["pool/2", "pool/2"]
        assert systems["local"].registry.cell_at("pool/2") is None


async def test_a_pool_that_stops_fails_the_requests_that_it_holds() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"])
        version = (await pool.ask(ListWorkers())).version
        held = pool.ask(ListWorkers(version), timeout_s=HOLD_S + 1)
        await advance(1.0)

        await systems["local"].stop(pool)

        with pytest.raises(ActorStopped, match="the pool 'pool' on node 'local' has stopped"):
            await held


async def test_a_worker_that_stops_itself_is_delisted_at_once_and_replaced() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(2, 2), make=Frail)
        before = await pool.ask(ListWorkers())
        held = pool.ask(ListWorkers(before.version), timeout_s=HOLD_S + 1)

        before.refs[0].tell(End())
        delisted = await held
        await advance(1.0)

        assert delisted.refs == before.refs[1:]
        after = await pool.ask(ListWorkers())
        assert sorted(ref.path for ref in after.refs) == ["pool/1", "pool/2"]
        assert before.refs[0] not in after.refs


async def test_a_worker_that_keeps_failing_ends_alone_and_is_replaced() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(2, 2), make=Frail)
        broken, healthy = (await pool.ask(ListWorkers())).refs
        for _ in range(6):
            broken.tell(End(fails=True))
            await advance(1.0)
        await advance(1.0)

        refs = (await pool.ask(ListWorkers())).refs

        assert len(refs) == 2
        assert healthy in refs
        assert broken not in refs


async def test_a_pool_whose_workers_all_fail_comes_back_when_they_can_work() -> None:
    made = 0

    class Broken(Frail):
        def on_start(self) -> None:
            nonlocal made
            made += 1
            if asyncio.get_running_loop().time() < 600.0:
                raise RuntimeError("not yet")

    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(2, 2), make=Broken)
        await advance(590.0)
        tried = made
        await advance(30.0)

        refs = (await pool.ask(ListWorkers())).refs

        assert [await ref.ask(Work(0.0)) for ref in refs] == [ref.path for ref in refs]
        assert len(refs) == 2
        assert 100 < tried < 1500


async def test_a_worker_that_cannot_be_made_is_made_later() -> None:
    def make() -> Worker:
        if asyncio.get_running_loop().time() < 100.0:
            raise RuntimeError("not yet")
        return Worker()

    async with Systems("local") as systems:
        pool = spawn_pool(systems["local"], SizeLimits(2, 2), make=make)
        await advance(99.0)
        early = await names(pool)
        await advance(15.0)

        assert early == []
        assert await names(pool) == ["pool/1", "pool/2"]


@pytest.mark.parametrize("how", ["from", "later", "stash"])
async def test_a_worker_that_owes_a_reply_is_not_idle_and_is_not_stopped(how: str) -> None:
    async with Systems("local") as systems:
        limits = SizeLimits(1, 2, grow_at=2.0, grow_after_s=0.0, shrink_after_s=2.0)
        pool = spawn_pool(systems["local"], limits, make=Deferring)
        first = (await pool.ask(ListWorkers())).refs[0]
        waiting = [first.ask(Work(0.5), timeout_s=60.0) for _ in range(5)]
        await advance(1.0)
        second = (await pool.ask(ListWorkers())).refs[1]
        await asyncio.gather(*waiting)
        deferred = second.ask(Owe(20.0, how), timeout_s=60.0)
        await advance(10.0)

        assert await names(pool) == ["pool/2"]  # the idle one has left, although it is the older one
        assert await deferred == "pool/2"


async def test_a_worker_that_has_left_answers_what_it_took_late() -> None:
    async with Systems("local") as systems:
        pool = spawn_pool(
            systems["local"],
            SizeLimits(1, 2, grow_at=2.0, grow_after_s=0.0, shrink_after_s=2.0),
            make=Deferring,
        )
        first = (await pool.ask(ListWorkers())).refs[0]
        waiting = [first.ask(Work(0.5), timeout_s=60.0) for _ in range(5)]
        await advance(1.0)
        second = (await pool.ask(ListWorkers())).refs[1]
        await asyncio.gather(*waiting)
        while len(await names(pool)) == 2:
            await advance(0.05)

        late = second.ask(Owe(20.0, "from"), timeout_s=60.0)  # by a caller with the old list
        never = second.ask(Owe(1e6, "from"), timeout_s=30.0)

        assert await late == "pool/2"
        with pytest.raises(AskTimeout):
            await never
        await advance(1.0)
        assert systems["local"].registry.cell_at("pool/2") is None
