"""Actor events: each is published where it happens, in the order of the things that happen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.actor_events import Event
from coterie.runtime.refs import Address
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="events.Do")
class Do(Ask[int]):
    number: int = 0


class Plain(Actor[Do]):
    def receive(self, msg: Do) -> int:
        return 1 // msg.number


class Greeter(Plain):
    def on_start(self) -> None:
        """Be started by a hook."""


class AsyncGreeter(Plain):
    async def on_start(self) -> None:
        await asyncio.sleep(0.01)


def listen(system: System) -> list[Event]:
    events: list[Event] = []
    system.events.subscribe(events.append)
    return events


@pytest.mark.parametrize("kind", [Plain, Greeter, AsyncGreeter])
async def test_the_events_of_a_life_come_in_order(virtual_host: VirtualHost, kind: type[Plain]) -> None:
    async with System(host=virtual_host) as system:
        events = listen(system)
        ref = system.spawn(kind, name="one")
        ref.tell(Do(0))
        await asyncio.sleep(1)
        await system.stop(ref)
        ref.tell(Do(1))
        assert [(event.name, event.actor) for event in events] == [
            ("actor.started", "one"),
            ("actor.failed", "one"),
            ("actor.restarted", "one"),
            ("actor.stopped", "one"),
            ("dead_letter", "one"),
        ]
        facts: list[Any] = [dict(event.facts) for event in events]
        assert facts[1] == {"error": "ZeroDivisionError: integer division or modulo by zero"}
        assert facts[3] == {"cause": "stopped"}
        assert facts[4] == {"message": "Do", "reason": "stopped", "detail": ""}


async def test_an_overflow_is_published(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        events = listen(system)
        ref = system.spawn(Plain, name="small", capacity=1)
        ref.tell(Do(1))
        ref.tell(Do(2))
        with pytest.raises(Exception, match="full"):
            await ref.ask(Do(3))
        overflows = [event for event in events if event.name == "mailbox.overflowed"]
        assert [dict(event.facts) for event in overflows] == [
            {"capacity": 1, "refused": "tell"},
            {"capacity": 1, "refused": "ask"},
        ]


async def test_an_unsubscribed_listener_gets_no_more_events_even_twice(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        events: list[Event] = []
        unsubscribe = system.events.subscribe(events.append)
        unsubscribe()
        unsubscribe()
        system.at(Address("local", "nobody")).tell(Do())
        assert (events, system.dead_letters.total) == ([], 1)


async def test_a_listener_may_unsubscribe_while_it_is_called(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        heard: list[str] = []

        def once(event: Event) -> None:
            heard.append(event.name)
            unsubscribe()

        unsubscribe = system.events.subscribe(once)
        events = listen(system)
        system.spawn(Plain)
        system.spawn(Plain)
        assert (heard, len(events)) == (["actor.started"], 2)
