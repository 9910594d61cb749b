"""`Supervision(ends_system=True)`: the system ends with an actor whose restart budget is spent."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from coterie.errors import ActorGaveUp, InvariantViolated
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import System
from tests.runtime.cells.test_life_cycle import Do, Recorder

pytestmark = pytest.mark.virtual


async def test_a_top_actor_that_ends_its_system_ends_it_when_its_budget_is_spent_and_not_before(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    policy = Supervision(max_restarts=2, within_s=60.0, ends_system=True)

    with pytest.raises(ActorGaveUp) as caught:  # noqa: PT012 (the whole `async with` is meant)
        async with System("n1", host=virtual_host) as system:
            ref = system.spawn(partial(Recorder, []), name="top", supervision=policy)
            for failures in (1, 2):
                ref.tell(Do("fail"))
                await asyncio.sleep(2)
                assert (system.failures, system.fault, system.stats().actors) == (failures, None, 1)
            ref.tell(Do("fail"))
            await asyncio.sleep(2)

    assert str(caught.value).startswith(
        "actor 'top' has ended node 'n1': it has spent its restart budget (2 in 60 s): "
    )
    assert caught.value.__cause__ is not None
    critical = [record.message.split()[0] for record in caplog.records if record.levelname == "CRITICAL"]
    assert critical == ["system.failed"]


async def test_a_child_that_ends_its_system_ends_it_although_its_parent_could_be_restarted(
    virtual_host: VirtualHost,
) -> None:
    vital = Supervision(max_restarts=0, ends_system=True)

    def script(actor: Recorder, what: str) -> None:
        if what == "start":
            actor.context.spawn(partial(Recorder, []), name="child", supervision=vital).tell(Do("fail"))

    with pytest.raises(ActorGaveUp, match="'top/child' has ended"):  # noqa: PT012 (the whole `async with` is meant)
        async with System(host=virtual_host) as system:
            system.spawn(partial(Recorder, [], script), name="top")
            await asyncio.sleep(2)


async def test_an_actor_that_must_not_be_restarted_ends_its_system_at_once(virtual_host: VirtualHost) -> None:
    vital = Supervision(max_restarts=5, ends_system=True)

    def script(actor: Recorder, what: str) -> None:
        if what == "broken":
            raise InvariantViolated("two leaders")

    with pytest.raises(ActorGaveUp, match="it must not be restarted: InvariantViolated: two leaders"):  # noqa: PT012
        async with System(host=virtual_host) as system:
            system.spawn(partial(Recorder, [], script), name="top", supervision=vital).tell(Do("broken"))
            await asyncio.sleep(2)
