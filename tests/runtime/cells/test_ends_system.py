"""Actors whose restart budget is spent: the system ends with one if it shall; else what asks one is told."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from coterie.errors import ActorGaveUp, ActorNotFound, ActorStopped, InvariantViolated
from coterie.runtime import actor_registry
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from tests.runtime.cells.test_life_cycle import NEVER, Do, Recorder

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


# --- actors that have failed for good ---------------------------------------------------------------------------------


async def test_an_address_of_an_actor_that_gave_up_says_so_until_another_one_has_it(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        at = system.at(Address(system.node, "top"))
        ref = system.spawn(partial(Recorder, []), name="top", supervision=NEVER)
        ref.tell(Do("fail"))
        await asyncio.sleep(0.1)
        with pytest.raises(ActorStopped, match="'top' on 'local' has stopped"):
            await ref.ask(Do("work"))
        with pytest.raises(ActorStopped, match=r"has ended for good: .* its restart budget \(0 in 30 s\)"):
            await at.ask(Do("work"))
        with pytest.raises(ActorNotFound):
            await system.at(Address(system.node, "tpo")).ask(Do("work"))

        system.spawn(partial(Recorder, []), name="top")
        assert await at.ask(Do("work")) == "done"
        await system.stop(system.at(Address(system.node, "top")))
        with pytest.raises(ActorNotFound):  # it was stopped: that is no failure
            await at.ask(Do("work"))


async def test_so_many_actors_that_gave_up_are_remembered(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_registry, "FAILED_MAX", 2)
    async with System(host=virtual_host) as system:
        for name in ("a", "b", "c"):
            system.spawn(partial(Recorder, []), name=name, supervision=NEVER).tell(Do("fail"))
        await asyncio.sleep(0.1)
        assert system.registry.failed_at("a") is None
        assert "'b'" in str(system.registry.failed_at("b"))
