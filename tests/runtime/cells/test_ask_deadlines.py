from __future__ import annotations

import asyncio
import threading

import pytest

from coterie.errors import AskTimeout, WrongThread
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System
from coterie.runtime.system_config import SystemConfig

virtual = pytest.mark.virtual

GRAIN_S = 0.04


@message
class Wait(Ask[str]):
    pass


@message
class Forward(Ask[str]):
    pass


class Silent(Actor[Wait]):
    """Answers never."""

    def __init__(self) -> None:
        self.laters: list[Later[str]] = []

    def receive(self, msg: Wait) -> str:
        self.laters.append(self.context.reply_later(msg))
        return ""


class Forwarder(Actor[Forward]):
    """Asks another one, and keeps the future."""

    def __init__(self, target: Ref[Wait]) -> None:
        self.target = target
        self.asked: list[asyncio.Future[str]] = []

    def receive(self, msg: Forward) -> str:
        self.asked.append(self.target.ask(Wait()))
        return "asked"


async def measured_s(ask: asyncio.Future[str], since_s: float) -> float:
    """Return after how long an ask ran out of time."""
    with pytest.raises(AskTimeout):
        await ask
    return asyncio.get_running_loop().time() - since_s


@virtual
@pytest.mark.parametrize("ask_timeout_s", [0.001, 0.02, 0.5])
async def test_asks_made_one_after_the_other_each_wait_as_long_as_the_system_says(
    virtual_host: VirtualHost, ask_timeout_s: float
) -> None:
    async with System(host=virtual_host, config=SystemConfig(ask_timeout_s=ask_timeout_s)) as system:
        silent = system.spawn(Silent)
        waits = []
        for _ in range(100):
            now = asyncio.get_running_loop().time()
            waits.append(asyncio.create_task(measured_s(silent.ask(Wait()), now)))
            await asyncio.sleep(0.013)

        for waited_s in await asyncio.gather(*waits):
            assert ask_timeout_s - 0.002 <= waited_s <= ask_timeout_s + GRAIN_S


@virtual
async def test_an_ask_that_a_handler_makes_has_no_more_time_than_the_one_it_handles(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        forwarder = Forwarder(system.spawn(Silent))
        ref = system.spawn(lambda: forwarder)
        now = asyncio.get_running_loop().time()

        for _ in range(3):  # the first message of a mailbox goes another way than those that follow
            assert await ref.ask(Forward(), timeout_s=1.0) == "asked"

        assert [await measured_s(asked, now) <= 1.0 + GRAIN_S for asked in forwarder.asked] == [True] * 3


async def test_an_ask_out_of_another_thread_is_refused_even_while_a_turn_is_due() -> None:
    async with System() as system:
        silent = system.spawn(Silent)
        pending = silent.ask(Wait())  # a turn is due now
        errors: list[BaseException] = []

        def ask() -> None:
            try:
                silent.ask(Wait())
            except WrongThread as error:
                errors.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()

        assert [type(error) for error in errors] == [WrongThread]
        pending.cancel()
