"""`SiblingRestarts`: the siblings that restart together, and their order, by strategy and kind of restart."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.supervision import Restart, Strategy, Supervision
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual

BACKOFF_S = 1.0


def policy(strategy: Strategy = Strategy.ONE_FOR_ONE, restart: Restart = Restart.TRANSIENT, **more: Any) -> Supervision:
    options: dict[str, Any] = {"backoff_min_s": BACKOFF_S, "backoff_max_s": BACKOFF_S, "jitter": 0, **more}
    return Supervision(strategy=strategy, restart=restart, **options)


@message(name="company.Do")
class Do(Ask[str]):
    what: str = "nothing"


class Child(Actor[Do]):
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    def on_start(self) -> object:
        self.log.append(f"+{self.name}")
        return None

    def on_stop(self) -> object:
        self.log.append(f"-{self.name}")
        return None

    def receive(self, msg: Do) -> object:
        if msg.what == "fail":
            raise RuntimeError("fail")
        if msg.what == "stop":
            self.context.stop()
        return self.name


class AsyncChild(Child):
    async def on_start(self) -> None:
        await asyncio.sleep(0.01)
        super().on_start()

    async def on_stop(self) -> None:
        await asyncio.sleep(0.01)
        super().on_stop()

    async def receive(self, msg: Do) -> object:
        if msg.what == "sleep":
            await asyncio.sleep(0.5)
            self.log.append(f"slept {self.name}")
        return super().receive(msg)


@dataclass
class Family:
    """A parent whose children are spawned in the order of `policies`; it watches them."""

    kind: type[Child]
    policies: dict[str, Supervision]
    log: list[str] = field(default_factory=list)
    refs: dict[str, Ref[Do]] = field(default_factory=dict)

    def spawn(self, system: System) -> Family:
        system.spawn(partial(Parent, self), name="parent", supervision=Supervision(max_restarts=0))
        return self


class Parent(Actor[Do | Terminated]):
    def __init__(self, family: Family) -> None:
        self.family = family

    def on_start(self) -> None:
        for name, supervision in self.family.policies.items():
            child = partial(self.family.kind, name, self.family.log)
            ref = self.family.refs[name] = self.context.spawn(child, name=name, supervision=supervision)
            self.context.watch(ref)

    def receive(self, msg: Do | Terminated) -> object:
        if isinstance(msg, Terminated):
            self.family.log.append(f"lost {msg.ref.path.removeprefix('parent/')}")
        return None


BOTH = pytest.mark.parametrize("kind", [Child, AsyncChild])
ALL, REST, ONE = policy(Strategy.ALL_FOR_ONE), policy(Strategy.REST_FOR_ONE), policy()


async def after_failure(system: System, family: Family, who: str) -> list[str]:
    """Return what is logged after the failure of one child."""
    family.spawn(system)
    await asyncio.sleep(0.1)
    assert family.log == [f"+{name}" for name in family.policies]
    family.log.clear()
    family.refs[who].tell(Do("fail"))
    await asyncio.sleep(BACKOFF_S + 2)
    return family.log


@BOTH
@pytest.mark.parametrize(
    ("supervision", "expected"),
    [
        (ONE, ["-b", "+b"]),
        (ALL, ["-c", "-b", "-a", "+a", "+b", "+c"]),
        (REST, ["-c", "-b", "+b", "+c"]),
    ],
)
async def test_the_strategy_says_who_is_restarted_and_in_which_order(
    virtual_host: VirtualHost, kind: type[Child], supervision: Supervision, expected: list[str]
) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, dict.fromkeys("abc", supervision))
        assert await after_failure(system, family, "b") == expected
        assert [await ref.ask(Do()) for ref in family.refs.values()] == ["a", "b", "c"], "their refs are the same"


@BOTH
async def test_the_mail_of_those_who_rest_is_kept(virtual_host: VirtualHost, kind: type[Child]) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, dict.fromkeys("abc", ALL)).spawn(system)
        await asyncio.sleep(0.1)
        family.refs["a"].tell(Do("fail"))
        await asyncio.sleep(0.3)
        asked = [ref.ask(Do()) for ref in family.refs.values()]
        assert await asyncio.gather(*asked) == ["a", "b", "c"]


async def test_who_rests_finishes_its_message_first(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        family = Family(AsyncChild, dict.fromkeys("ab", ALL)).spawn(system)
        await asyncio.sleep(0.1)
        family.log.clear()
        family.refs["b"].tell(Do("sleep"))
        await asyncio.sleep(0.1)
        family.refs["a"].tell(Do("fail"))
        await asyncio.sleep(BACKOFF_S + 2)
        assert family.log == ["slept b", "-b", "-a", "+a", "+b"]


@BOTH
async def test_temporary_siblings_stop_for_good(virtual_host: VirtualHost, kind: type[Child]) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, {"a": ALL, "b": policy(restart=Restart.TEMPORARY), "c": ALL})
        log = await after_failure(system, family, "a")
        assert [entry for entry in log if entry != "lost b"] == ["-c", "-b", "-a", "+a", "+c"]
        assert "lost b" in log


@BOTH
async def test_two_that_fail_at_once_come_back_both(virtual_host: VirtualHost, kind: type[Child]) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, dict.fromkeys("abc", ALL)).spawn(system)
        await asyncio.sleep(0.1)
        family.refs["a"].tell(Do("fail"))
        family.refs["c"].tell(Do("fail"))
        await asyncio.sleep(5)
        assert [await ref.ask(Do()) for ref in family.refs.values()] == ["a", "b", "c"]


@BOTH
async def test_who_is_stopped_while_it_rests_ends(virtual_host: VirtualHost, kind: type[Child]) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, dict.fromkeys("ab", ALL)).spawn(system)
        await asyncio.sleep(0.1)
        family.refs["a"].tell(Do("fail"))
        await asyncio.sleep(0.3)
        await system.stop(family.refs["b"])
        await asyncio.sleep(3)
        assert "lost b" in family.log
        assert "+b" not in family.log[2:]
        assert await family.refs["a"].ask(Do()) == "a"


@BOTH
async def test_a_system_that_stops_does_not_wait_for_a_backoff(virtual_host: VirtualHost, kind: type[Child]) -> None:
    long = policy(Strategy.ALL_FOR_ONE, backoff_min_s=100, backoff_max_s=100)
    async with System(host=virtual_host) as system:
        family = Family(kind, dict.fromkeys("abc", long)).spawn(system)
        await asyncio.sleep(0.1)
        family.refs["b"].tell(Do("fail"))
        await asyncio.sleep(0.3)
    assert virtual_host.clock.monotonic() < 5


async def test_a_resting_sibling_is_released_when_the_failed_one_is_killed(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        long = policy(Strategy.ALL_FOR_ONE, backoff_min_s=100, backoff_max_s=100)
        family = Family(Child, dict.fromkeys("ab", long)).spawn(system)
        await asyncio.sleep(0.1)
        family.refs["a"].tell(Do("fail"))
        await asyncio.sleep(0.3)
        cell = system.registry.cell_at("parent/a")
        assert cell is not None
        cell.kill()
        assert await family.refs["b"].ask(Do()) == "b"


@BOTH
async def test_a_temporary_actor_ends_with_its_failure_and_its_parent_lives(
    virtual_host: VirtualHost, kind: type[Child]
) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, {"a": policy(restart=Restart.TEMPORARY), "b": ONE})
        assert sorted(await after_failure(system, family, "a")) == sorted(["-a", "lost a"])
        assert await family.refs["b"].ask(Do()) == "b"


@BOTH
@pytest.mark.parametrize(
    ("restart", "expected"),
    [(Restart.PERMANENT, ["-a", "+a"]), (Restart.TRANSIENT, ["-a", "lost a"]), (Restart.TEMPORARY, ["-a", "lost a"])],
)
async def test_only_a_permanent_actor_comes_back_after_it_stopped_itself(
    virtual_host: VirtualHost, kind: type[Child], restart: Restart, expected: list[str]
) -> None:
    async with System(host=virtual_host) as system:
        family = Family(kind, {"a": policy(restart=restart)}).spawn(system)
        await asyncio.sleep(0.1)
        family.log.clear()
        assert await family.refs["a"].ask(Do("stop")) == "a", "the present message is finished first"
        await asyncio.sleep(BACKOFF_S + 1)
        assert family.log == expected


async def test_a_stop_by_another_actor_is_final_for_a_permanent_actor(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        family = Family(Child, {"a": policy(restart=Restart.PERMANENT)}).spawn(system)
        await asyncio.sleep(0.1)
        await system.stop(family.refs["a"])
        await asyncio.sleep(3)
        assert family.log == ["+a", "-a", "lost a"]


async def test_a_permanent_actor_that_stops_itself_too_often_fails_its_parent(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        family = Family(Child, {"a": policy(restart=Restart.PERMANENT, max_restarts=1)}).spawn(system)
        await asyncio.sleep(0.1)
        for _ in range(2):
            family.refs["a"].tell(Do("stop"))
            await asyncio.sleep(3)
        assert system.registry.cell_at("parent") is None


async def test_strategies_of_top_actors_concern_no_other_actor(virtual_host: VirtualHost) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        a = system.spawn(partial(Child, "a", log), supervision=ALL)
        system.spawn(partial(Child, "b", log), supervision=ALL)
        a.tell(Do("fail"))
        await asyncio.sleep(3)
        assert log == ["+a", "+b", "-a", "+a"]
