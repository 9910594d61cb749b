"""Declared errors and failures: the reply that each asker gets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.errors import ActorFailed
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


class NotEnough(Exception):
    """Declared."""


class FarTooLittle(NotEnough):
    """A special case of what is declared."""


@message(name="handling.Withdraw", raises=(NotEnough,))
class Withdraw(Ask[int]):
    amount: int
    how: str = "raise"


ERRORS: dict[str, type[Exception]] = {"raise": NotEnough, "special": FarTooLittle, "bug": KeyError}


class Account(Actor[Withdraw]):
    """Raises as told; `after` raises once it has taken over the reply."""

    def __init__(self) -> None:
        self.later: Later[int] | None = None
        self.visits: list[int] = []

    def receive(self, msg: Withdraw) -> object:
        if msg.amount <= 10:
            self.visits.append(msg.amount)
            return msg.amount
        if msg.how == "after":
            self.later = self.context.reply_later(msg)
            raise RuntimeError("after")
        if msg.how == "later":
            self.context.reply_later(msg).fail(NotEnough(msg.amount))
            return None
        raise ERRORS[msg.how](msg.amount)


class AsyncAccount(Account):
    async def receive(self, msg: Withdraw) -> object:
        await asyncio.sleep(0)
        return Account.receive(self, msg)


class Batcher(Account):
    """Looks back on its visits: it takes the careful way."""

    def on_visit_end(self) -> None:
        self.visits.append(-1)


EVERY = pytest.mark.parametrize("kind", [Account, AsyncAccount, Batcher])


def actor_of(system: System) -> Any:
    cell = system.registry.cell_at("account")
    assert cell is not None
    return cell.actor


@EVERY
@pytest.mark.parametrize("how", ["raise", "special", "later"])
async def test_a_declared_error_goes_to_the_asker_alone(
    virtual_host: VirtualHost, kind: type[Account], how: str
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(kind, name="account")
        before = actor_of(system)
        with pytest.raises(NotEnough) as caught:
            await ref.ask(Withdraw(20, how))
        assert caught.value.args == (20,)
        assert await ref.ask(Withdraw(5)) == 5
        assert (system.stats().failures, system.stats().restarts) == (0, 0)
        assert actor_of(system) is before


@EVERY
async def test_a_declared_error_of_a_told_message_goes_to_nobody(
    virtual_host: VirtualHost, kind: type[Account]
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(kind, name="account")
        for amount in (1, 20, 2):
            ref.tell(Withdraw(amount))
        await asyncio.sleep(0.1)
        assert (system.stats().failures, system.stats().handled) == (0, 3)
        assert [amount for amount in actor_of(system).visits if amount > 0] == [1, 2]


async def test_a_visit_with_a_declared_error_is_looked_back_on(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Batcher, name="account")
        ref.tell(Withdraw(1))
        ref.tell(Withdraw(20))
        await asyncio.sleep(0.1)
        assert actor_of(system).visits == [1, -1]


@EVERY
async def test_any_other_error_is_a_failure_of_the_actor(virtual_host: VirtualHost, kind: type[Account]) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(kind, name="account")
        with pytest.raises(ActorFailed, match="'account' failed on Withdraw: KeyError: 20"):
            await ref.ask(Withdraw(20, "bug"))
        await asyncio.sleep(1)
        assert (system.stats().failures, system.stats().restarts) == (1, 1)


@EVERY
async def test_a_handler_that_fails_after_reply_later_settles_its_asker(
    virtual_host: VirtualHost, kind: type[Account]
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(kind, name="account")
        later = asyncio.ensure_future(ref.ask(Withdraw(20, "after")))
        with pytest.raises(ActorFailed, match="RuntimeError: after"):
            await later
        assert virtual_host.clock.monotonic() < 1
