"""Watches: a watcher gets one notice, with the cause, when an actor stops; a stopped watcher gets none."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorFailed, InvariantViolated
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual

NEVER = Supervision(max_restarts=0)


@message(name="watch.Do")
class Do(Ask[str]):
    what: str = "nothing"


class Watched(Actor[Do | Terminated]):
    """Fails as it is told."""

    def receive(self, msg: Do | Terminated) -> str:
        if isinstance(msg, Do) and msg.what == "fail":
            raise RuntimeError("fail")
        if isinstance(msg, Do) and msg.what == "violate":
            raise InvariantViolated("two leaders")
        return "done"


class Watcher(Actor[Do | Terminated]):
    """Watches what it is given."""

    def __init__(self, watched: Ref[Any], log: list[Terminated]) -> None:
        self.watched = watched
        self.log = log

    def on_start(self) -> None:
        self.context.watch(self.watched)
        self.context.watch(self.watched)

    def receive(self, msg: Do | Terminated) -> str:
        if isinstance(msg, Terminated):
            self.log.append(msg)
        return "done"


async def test_a_watcher_is_told_once_why_an_actor_ended(virtual_host: VirtualHost) -> None:
    for what, cause in (("", "stopped"), ("fail", "failed: RuntimeError: fail"), ("violate", "failed: InvariantViol")):
        log: list[Terminated] = []
        async with System(host=virtual_host.__class__()) as system:
            ref = system.spawn(Watched, supervision=NEVER)
            watcher = system.spawn(partial(Watcher, ref, log))
            await watcher.ask(Do())
            if what:
                ref.tell(Do(what))
            else:
                system.stop(ref)
            await asyncio.sleep(0.1)

            assert [notice.ref for notice in log] == [ref]
            assert log[0].cause.startswith(cause)


async def test_watching_the_dead_tells_at_once(virtual_host: VirtualHost) -> None:
    log: list[Terminated] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(Watched)
        await system.stop(ref)
        await system.spawn(partial(Watcher, ref, log)).ask(Do())

        assert [notice.ref for notice in log] == [ref, ref], "one notice for each of its two watches"


async def test_a_restart_is_no_end(virtual_host: VirtualHost) -> None:
    log: list[Terminated] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(Watched)
        await system.spawn(partial(Watcher, ref, log)).ask(Do())
        ref.tell(Do("fail"))
        await ref.ask(Do())

        assert log == []


async def test_watchers_that_died_are_forgotten(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Watched, name="watched")
        for _ in range(10):
            watcher = system.spawn(partial(Watcher, ref, []))
            await watcher.ask(Do())
            await system.stop(watcher)
        cell = system.registry.cell_at("watched")
        assert cell is not None
        assert not cell.relations.watchers


async def test_only_who_takes_terminated_can_watch_and_only_refs_of_one_life(virtual_host: VirtualHost) -> None:
    class Blind(Actor[Do]):
        def __init__(self, watched: Ref[Any]) -> None:
            self.watched = watched

        def receive(self, msg: Do) -> None:
            self.context.watch(self.watched)

    async with System(host=virtual_host) as system:
        ref = system.spawn(Watched)
        with pytest.raises(ActorFailed, match=r"TypeError: Blind cannot watch: declare it as Actor\[… \| Terminated\]"):
            await system.spawn(partial(Blind, ref)).ask(Do())
        context = ref.delivery.actor.context  # type: ignore[attr-defined]
        for other in (system.at(Address("local", ref.path)), system.at(Address("elsewhere", "x"))):
            with pytest.raises(ValueError, match="an address never ends"):
                context.watch(other)
