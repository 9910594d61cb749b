"""What travels with an ask: its remaining time, and who waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import AskCycle, AskTimeout, BadMessage
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.incoming.incoming_ask import chain_of

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="chains.Travel")
class Travel(Ask[str]):
    """Ask along the places that are left; `how` the last but one does it."""

    left: tuple[Address, ...] = ()
    how: str = "wait"


@message(name="chains.Deadline")
class Deadline(Ask[float]):
    via: Address | None = None


@message(name="chains.Sleep")
class Sleep(Ask[None]):
    seconds: float


Mail = Travel | Deadline | Sleep


class Server(Actor[Mail]):
    """Passes asks on."""

    def __init__(self) -> None:
        self.handled: list[str] = []

    async def receive(self, msg: Mail) -> object:
        self.handled.append(type(msg).__name__)
        match msg:
            case Travel((), _):
                return "arrived"
            case Travel((place, *left), how):
                return await self.go(msg, self.context.system.at(place), Travel(tuple(left), how))
            case Deadline(None):
                deadline = self.context.deadline
                assert deadline is not None
                return deadline - self.context.system.host.clock.monotonic()
            case Deadline(via):
                assert via is not None
                return await self.context.system.at(via).ask(Deadline(), timeout_s=1000)
            case Sleep(seconds):
                await asyncio.sleep(seconds)
        return None

    async def go(self, msg: Travel, ref: Ref[Any], onward: Travel) -> str:
        match msg.how:
            case "later":
                later = self.context.reply_later(msg)
                ref.ask(onward, timeout_s=1).add_done_callback(lambda asked: later.reply(asked.result()))
                return ""
            case "background":
                later = self.context.reply_later(msg)

                async def ask() -> None:
                    later.reply(await ref.ask(onward, timeout_s=1))

                self.task = asyncio.create_task(ask())
                return ""
        return await ref.ask(onward)


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


A, B, PRIVATE = Address("a", "server"), Address("b", "server"), Address("a", "private")


async def test_a_cycle_over_two_nodes_fails_at_once_with_its_chain(world: World) -> None:
    a = world.systems["a"]
    before = a.host.clock.monotonic()
    with pytest.raises(Exception, match="server@a → server@b → server@a"):
        await a.at(A).ask(Travel((B, A)))

    assert a.host.clock.monotonic() - before < 1
    assert world.server("a").handled == ["Travel"]


async def test_the_asker_that_would_close_a_cycle_gets_an_ask_cycle(world: World, there: Ref[Any]) -> None:
    caught: list[BaseException] = []

    class Catcher(Server):
        async def go(self, msg: Travel, ref: Ref[Any], onward: Travel) -> str:
            try:
                return await super().go(msg, ref, onward)
            except AskCycle as error:
                caught.append(error)
                return "caught"

    world.systems["b"].spawn(Catcher, name="catcher")
    catcher = Address("b", "catcher")

    assert await world.systems["a"].at(A).ask(Travel((catcher, A))) == "caught"
    assert "server@a → catcher@b → server@a" in str(caught[0])


async def test_a_longer_cycle_over_three_nodes_is_seen(world: World) -> None:
    await world.start("c")
    world.link("a", "c")
    world.link("b", "c")
    await asyncio.sleep(1)
    with pytest.raises(Exception, match="server@b → server@c → server@b"):
        await world.systems["a"].at(A).ask(Travel((B, Address("c", "server"), B)))


async def test_a_way_back_to_the_node_that_is_no_cycle_is_none(world: World) -> None:
    assert await world.systems["a"].at(A).ask(Travel((B, PRIVATE))) == "arrived"


@pytest.mark.parametrize("how", ["later", "background"])
async def test_who_does_not_wait_closes_no_cycle(world: World, how: str) -> None:
    assert await world.systems["a"].at(A).ask(Travel((B, A), how)) == "arrived"
    assert len(world.server("a").handled) == 2


async def test_the_remaining_time_travels_and_shrinks(world: World) -> None:
    left_s = await world.systems["a"].at(B).ask(Deadline(), timeout_s=7)
    assert 6.5 < left_s <= 7.01
    nested_s = await world.systems["b"].at(A).ask(Deadline(via=B), timeout_s=3)

    assert 2.5 < nested_s <= 3.01, "an ask made for an ask has no more time than that"


async def test_an_ask_that_expires_in_the_mailbox_over_there_is_not_handled(world: World, there: Ref[Any]) -> None:
    held = there.ask(Sleep(2), timeout_s=100)
    with pytest.raises(AskTimeout):
        await there.ask(Travel(), timeout_s=1)
    await held
    await asyncio.sleep(0.1)

    assert world.server("b").handled == ["Sleep"]
    assert world.systems["b"].stats().dead_letters == {"expired": 1}


async def test_an_ask_without_time_is_not_even_sent(world: World, there: Ref[Any]) -> None:
    with pytest.raises(AskTimeout):
        await there.ask(Travel(), timeout_s=0)
    await asyncio.sleep(0.1)

    assert world.server("b").handled == []
    assert world.systems["b"].stats().dead_letters == {}


@pytest.mark.parametrize(
    "row",
    [(1,), (("a", "b", 1, 2),), (("a", "b", 1, 2, "3"),), (["a", "b", 1, 2, 3],), (("a", "b", 1, 2, 3),) * 257],
    ids=lambda row: repr(row)[:30],
)
def test_a_chain_of_other_things_than_hops_is_refused(row: tuple[Any, ...]) -> None:
    with pytest.raises(BadMessage, match="not the chain of an ask"):
        chain_of(row)
