"""Errors between systems: declared ones arrive as themselves, failures by what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorFailed
from coterie.runtime.actor import Actor
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.remote.rows import DECLARED

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


class NotEnough(Exception):
    """Declared; its values are its args."""


@dataclass
class TooMuch(Exception):
    """Declared; its values are its fields."""

    limit: int
    asked: int


class Unmade(Exception):
    """Declared, but cannot be made of its args."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(one)


@message(name="declared.Withdraw", raises=(NotEnough, TooMuch, Unmade))
class Withdraw(Ask[int]):
    amount: int


class Server(Actor[Withdraw]):
    """An account that refuses in every way."""

    def __init__(self) -> None:
        self.starts = 0

    def on_start(self) -> None:
        self.starts += 1

    def receive(self, msg: Withdraw) -> int:
        match msg.amount:
            case 1:
                raise NotEnough("balance", 0)
            case 2:
                raise TooMuch(limit=10, asked=2)
            case 3:
                raise NotEnough(object())
            case 4:
                raise Unmade(1, 2)
            case 5:
                raise KeyError("x" * 5000)
            case 6:
                raise NotEnough("x" * 200_000)
        return msg.amount


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def test_a_declared_error_arrives_as_itself_and_is_no_failure(world: World, there: Ref[Any]) -> None:
    with pytest.raises(NotEnough) as not_enough:
        await there.ask(Withdraw(1))
    with pytest.raises(TooMuch) as too_much:
        await there.ask(Withdraw(2))

    assert not_enough.value.args == ("balance", 0)
    assert (too_much.value.limit, too_much.value.asked) == (10, 2)
    assert world.systems["b"].stats().failures == 0
    assert await there.ask(Withdraw(9)) == 9


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (3, r"the error NotEnough to 'declared\.Withdraw' cannot cross the wire"),
        (4, r"the reply to Withdraw from server@b is bad: .*Unmade"),
        (6, r"the error NotEnough to 'declared\.Withdraw' cannot cross the wire: FrameTooLarge"),
    ],
)
async def test_a_declared_error_that_cannot_cross_is_a_clear_failure(
    world: World, there: Ref[Any], amount: int, text: str
) -> None:
    with pytest.raises(ActorFailed, match=text):
        await there.ask(Withdraw(amount))

    assert await there.ask(Withdraw(9)) == 9
    assert world.asks_out() == 0


async def test_a_failure_arrives_with_its_type_and_a_bounded_text(world: World, there: Ref[Any]) -> None:
    with pytest.raises(ActorFailed, match="KeyError: 'xxx") as caught:
        await there.ask(Withdraw(5))

    assert len(str(caught.value)) < 1100
    assert world.systems["b"].stats().failures == 1


async def test_an_error_that_the_message_does_not_declare_is_refused(world: World, there: Ref[Any]) -> None:
    transport = world.systems["b"].remoting.transport
    assert transport is not None
    ask = there.ask(Withdraw(9))
    for number in range(1, 20):
        transport.send("a", Lane.BULK, (DECLARED, number, "builtins.SystemExit", (1,)))
    with pytest.raises(ActorFailed, match=r"error 'builtins\.SystemExit' is not among the errors"):
        await ask
