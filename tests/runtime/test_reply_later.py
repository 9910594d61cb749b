"""`reply_later`: the reply is given once, at any time, and only through the `Later`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from coterie.errors import ActorFailed, ActorStopped
from coterie.runtime.actor import Actor, Later
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System


@message(name="later.Note")
class Note:
    number: int


@message(name="later.Get")
class Get(Ask[int]):
    number: int


class Keeper(Actor[Get | Note]):
    """Keeps the replies it owes."""

    def __init__(self, kept: list[Later[int]]) -> None:
        self.kept = kept

    def receive(self, msg: Get | Note) -> object:
        if isinstance(msg, Get):
            self.kept.append(self.context.reply_later(msg))
        else:
            self.context.reply_later(msg)  # type: ignore[arg-type]
        return "not the reply"


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something is so; the test's timeout bounds it."""
    while not condition():  # noqa: ASYNC110 (conditions here have no event)
        await asyncio.sleep(0)


async def test_a_reply_that_is_given_later_is_the_only_one() -> None:
    kept: list[Later[int]] = []
    async with System() as system:
        ref = system.spawn(partial(Keeper, kept))
        ask = ref.ask(Get(1))
        await until(lambda: bool(kept))
        await asyncio.sleep(0)
        assert not ask.done()
        kept[0].reply(7)
        kept[0].reply(8)
        kept[0].fail(RuntimeError("too late"))

        assert await ask == 7


async def test_a_later_failure_reaches_the_asker_and_not_the_supervisor() -> None:
    kept: list[Later[int]] = []
    async with System() as system:
        ref = system.spawn(partial(Keeper, kept))
        first, second = ref.ask(Get(1)), ref.ask(Get(2))
        await until(lambda: len(kept) == 2)
        kept[0].fail(RuntimeError("no"))
        kept[1].fail(ActorStopped("moved"))

        with pytest.raises(ActorFailed, match="RuntimeError: no"):
            await first
        with pytest.raises(ActorStopped, match="moved"):
            await second
        assert system.failures == 0


async def test_a_reply_to_what_was_told_goes_nowhere() -> None:
    kept: list[Later[int]] = []
    async with System() as system:
        ref = system.spawn(partial(Keeper, kept))
        ref.tell(Get(1))
        await until(lambda: bool(kept))
        kept[0].reply(1)

        assert system.failures == 0


async def test_only_the_present_message_can_be_answered_later() -> None:
    class Wrong(Actor[Get]):
        def receive(self, msg: Get) -> None:
            self.context.reply_later(Get(msg.number))

    async with System() as system:
        with pytest.raises(ActorFailed, match="not the message being handled"):
            await system.spawn(Wrong).ask(Get(1))
