"""`NodeHealth`: records opinions, calls hooks, and ends the watches on failed nodes."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie.actors.detection.detector_messages import PeerSuspected
from coterie.actors.detection.node_health import NodeHealth
from coterie.errors import ConnectionLost
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed, MemberState, StateChange, Suspected, Trusted
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.testing import Probe, Systems

pytestmark = pytest.mark.virtual

SUSPECTED, FAILED = Suspected(NodeId("n2"), "silent for 1 s"), Failed(NodeId("n2"), "silent for 3 s")
TRUSTED = Trusted(NodeId("n2"), "heard again")


async def test_no_node_is_suspected_at_first(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)

        assert (health.suspected, health.failed, health.unhealthy) == ((), (), ())
        assert not health.is_suspected("n2")


async def test_the_latest_opinion_of_each_node_counts(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        seen = []
        for change in (SUSPECTED, FAILED, TRUSTED):
            health.take(change)
            seen.append((health.suspected, health.failed, health.is_suspected("n2")))

        assert seen == [(("n2",), (), True), ((), ("n2",), True), ((), (), False)]


async def test_an_opinion_has_a_reason_and_a_time(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        health.take(Suspected(NodeId("n3"), "slow"))
        health.take(FAILED)

        two, three = health.unhealthy

        assert (two.peer, two.state, two.reason) == ("n2", MemberState.FAILED, "silent for 3 s")
        assert (three.peer, three.state, three.reason) == ("n3", MemberState.SUSPECTED, "slow")
        assert two.since_s == system.host.clock.monotonic()


async def test_each_hook_is_called_for_its_kind_after_the_opinion_has_changed(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        called: list[tuple[str, StateChange, bool]] = []
        health.on_suspected(lambda change: called.append(("suspected", change, health.is_suspected("n2"))))
        health.on_failed(lambda change: called.append(("failed", change, health.is_suspected("n2"))))
        health.on_trusted(lambda change: called.append(("trusted", change, health.is_suspected("n2"))))

        for change in (SUSPECTED, FAILED, TRUSTED):
            health.take(change)

        assert called == [("suspected", SUSPECTED, True), ("failed", FAILED, True), ("trusted", TRUSTED, False)]


async def test_a_hook_that_raises_is_logged_and_the_others_are_called(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("no such pager")

    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        health.on_suspected(broken)
        health.subscribe(heard.append)

        health.take(SUSPECTED)

        assert heard == [SUSPECTED]
        assert health.is_suspected("n2")
    assert "no such pager" in caplog.text


async def test_a_removed_hook_is_not_called_and_removing_it_twice_is_harmless(virtual_host: VirtualHost) -> None:
    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        remove = health.on_suspected(heard.append)
        remove()
        remove()

        health.take(SUSPECTED)

    assert heard == []


async def test_trust_in_a_node_that_was_not_suspected_is_no_news(virtual_host: VirtualHost) -> None:
    heard: list[Any] = []
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)
        health.subscribe(heard.append)

        health.take(TRUSTED)

    assert heard == []


async def test_an_actor_can_listen(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health, probe = NodeHealth(system), Probe(system)
        health.subscribe(probe.ref)

        health.take(SUSPECTED)

        assert await probe.expect(PeerSuspected) == PeerSuspected("n1", "n2", "silent for 1 s", {})


@message(name="test.node_health.Never")
class Never(Ask[None]):
    pass


class Silent(Actor[Never]):
    async def receive(self, msg: Never, /) -> None:
        await asyncio.sleep(1e6)


class Watcher(Actor[Terminated]):
    def __init__(self, watched: Ref[Any], ends: list[Terminated]) -> None:
        self._watched = watched
        self._ends = ends

    def on_start(self) -> None:
        self.context.watch(self._watched)

    def receive(self, msg: Terminated, /) -> None:
        self._ends.append(msg)


async def test_a_failure_ends_watches_and_asks_with_the_cause_and_a_suspicion_does_not() -> None:
    ends: list[Terminated] = []
    async with Systems("n1", "n2") as systems:
        systems["n2"].spawn(Silent, name="silent")
        ref = await systems["n1"].lookup("n2/silent", Silent)
        systems["n1"].spawn(partial(Watcher, ref, ends))
        asked = ref.ask(Never(), timeout_s=1e6)
        health = NodeHealth(systems["n1"])

        health.take(SUSPECTED)
        await asyncio.sleep(1)
        suspected = (list(ends), asked.done())
        health.take(FAILED)
        await asyncio.sleep(1)

        assert suspected == ([], False)
        assert [end.cause for end in ends] == ["lost: silent for 3 s"]
        with pytest.raises(ConnectionLost):
            await asked


async def test_a_node_that_is_unknown_to_the_network_can_fail_too(virtual_host: VirtualHost) -> None:
    async with System("n1", host=virtual_host) as system:
        health = NodeHealth(system)

        health.take(FAILED)

        assert health.failed == ("n2",)
