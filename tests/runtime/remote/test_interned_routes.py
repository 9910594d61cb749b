"""Routes: names cross once, tables are bounded and start over, and nothing is ever delivered to the wrong actor."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorNotFound, BadMessage, MessageTypeError
from coterie.runtime.actor import Actor
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.interned_routes import NAME_CHARS_MAX
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.remote.rows import FIRST_ROUTE, ROUTE
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="routes.Note")
class Note:
    path: str
    number: int


@message(name="routes.Urgent", lane=Lane.CONSENSUS)
class Urgent:
    path: str
    number: int


@message(name="routes.Who")
class Who(Ask[str]):
    pass


@message(name="routes.Late")
class Late(Ask[str]):
    pass


@message(name="__main__.Nameless")
class Nameless:
    pass


class Server(Actor[Note | Urgent | Who]):
    """Records the numbers of its messages, and checks that each was sent to its path."""

    def __init__(self) -> None:
        self.notes: dict[str, list[int]] = {"Note": [], "Urgent": []}

    def receive(self, msg: Note | Urgent | Who) -> str:
        path = self.context.self_ref.path
        if not isinstance(msg, Who):
            assert msg.path == path
            self.notes[type(msg).__name__].append(msg.number)
        return path


class Latecomer(Actor[Late]):
    """Declares a message that was sent before."""

    def receive(self, msg: Late) -> str:
        return "late"


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


def tables(world: World) -> list[int]:
    """How many routes b knows, by connection."""
    association = world.systems["b"].remoting.association("a")
    assert association is not None
    return [len(incoming_routes.routes) for incoming_routes in association.incoming_routes]


async def test_names_cross_once(world: World, there: Ref[Any]) -> None:
    await there.ask(Who())
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    before = transport.stats()["bytes_out"]
    for number in range(100):
        there.tell(Note("server", number))
    await asyncio.sleep(0.01)

    assert transport.stats()["bytes_out"] - before < 100 * 12 + 100
    assert world.server("b").notes["Note"] == list(range(100))


@pytest.mark.parametrize("seed", range(5))
async def test_a_table_that_starts_over_again_and_again_delivers_right_and_in_order(world: World, seed: int) -> None:
    rng = random.Random(seed)
    await world.stop("a")
    await world.start("a", config=SystemConfig(remote=RemoteConfig(routes_max=3)))
    world.link("a", "b")
    await asyncio.sleep(10)
    a, b = world.systems["a"], world.systems["b"]
    paths = [f"worker-{at}" for at in range(8)]
    for path in paths:
        b.spawn(Server, name=path)
    refs = {path: a.at(Address("b", path)) for path in paths}
    sent: dict[str, list[int]] = {path: [] for path in paths}
    for number in range(1000):
        path = rng.choice(paths)
        sent[path].append(number)
        refs[path].tell(Note(path, number) if rng.random() < 0.5 else Urgent(path, number))
        if rng.random() < 0.1:
            assert await refs[path].ask(Who()) == path
    await asyncio.sleep(1)

    for path in paths:
        notes = world.server("b", path).notes
        assert sorted(notes["Note"] + notes["Urgent"]) == sent[path]
        assert all(lane == sorted(lane) for lane in notes.values())
    assert max(tables(world)) <= 3


async def test_a_route_to_an_address_leads_to_whoever_lives_there_now(world: World, there: Ref[Any]) -> None:
    b = world.systems["b"]
    there.tell(Note("server", 1))
    await there.ask(Who())
    first = world.server("b")
    cell = b.registry.cell_at("server")
    assert cell is not None
    await b.stop(cell.ref)
    there.tell(Note("server", 2))
    await asyncio.sleep(0.1)
    b.spawn(Server, name="server")
    there.tell(Note("server", 3))
    await there.ask(Who())

    assert first.notes["Note"] == [1]
    assert world.server("b").notes["Note"] == [3]
    assert b.stats().dead_letters == {"not_found": 1}


async def test_an_urgent_message_too_finds_whoever_lives_there_now(world: World, there: Ref[Any]) -> None:
    b = world.systems["b"]
    there.tell(Urgent("server", 1))
    await there.ask(Who())
    first = world.server("b")
    cell = b.registry.cell_at("server")
    assert cell is not None
    await b.stop(cell.ref)
    b.spawn(Server, name="server")
    there.tell(Urgent("server", 2))
    await there.ask(Who())

    assert first.notes["Urgent"] == [1]
    assert world.server("b").notes["Urgent"] == [2]


async def test_a_message_type_that_is_declared_later_finds_its_way_then(world: World) -> None:
    late = world.systems["a"].at(Address("b", "late"))
    with pytest.raises(BadMessage, match=r"unknown message type 'routes\.Late'"):
        await late.ask(Late())
    world.systems["b"].spawn(Latecomer, name="late")

    assert await late.ask(Late()) == "late"


async def test_a_node_that_is_starting_or_being_stopped_does_not_say_what_it_lacks(world: World) -> None:
    system, asked = world.systems["b"], [("late", Late()), ("nobody", Who()), ("private", Who())]
    client = await world.start("client", role=PeerRole.CLIENT)
    client.dial("b.test", 1)
    await asyncio.sleep(1)

    async def answers(asking: System, *, names: int) -> list[str]:
        found = await asyncio.gather(
            *(asking.at(Address("b", path)).ask(request) for path, request in asked[:names]), return_exceptions=True
        )
        return [f"{type(error).__name__}: {error}" for error in found]

    system.registry.is_starting = True
    starting = "NodeStarting: node 'b' is starting: ask again in a moment"
    assert await answers(client, names=3) == [starting] * 3
    assert await answers(world.systems["a"], names=2) == [starting] * 2
    system.registry.is_starting, system.is_stopping = False, True
    stopping = "ActorStopped: node 'b' is being stopped: ask another one, or ask again once it runs"
    assert await answers(client, names=3) == [stopping] * 3
    system.is_stopping = False
    assert all(text.startswith("ActorNotFound: no actor at ") for text in await answers(client, names=3))


async def test_names_that_are_too_long_do_not_cross(world: World) -> None:
    with pytest.raises(ActorNotFound, match=f"on the wire each may have {NAME_CHARS_MAX}"):
        await world.systems["a"].at(Address("b", "x" * (NAME_CHARS_MAX + 1))).ask(Who())
    with pytest.raises(ActorNotFound, match="no actor at"):
        await world.systems["a"].at(Address("b", "x" * NAME_CHARS_MAX)).ask(Who())


async def test_a_message_of_the_main_program_needs_a_name_to_cross(there: Ref[Any]) -> None:
    with pytest.raises(MessageTypeError, match=r"__main__\.Nameless is a class of the main program: give it a name="):
        there.tell(Nameless())


async def test_a_hostile_table_grows_no_further_than_the_limit(world: World, there: Ref[Any]) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    for number in range(FIRST_ROUTE, FIRST_ROUTE + 5000):
        transport.send("b", Lane.BULK, (ROUTE, number, "server", 0, f"routes.Unknown{number}"))
        transport.send("b", Lane.BULK, (ROUTE, number, "server", 0, "routes.Note"))
    await asyncio.sleep(1)

    assert tables(world) == [0, 4096]
    assert world.systems["b"].stats().dead_letters == {"bad_message": 2 * (5000 - 4096)}
    assert world.events == [("a", "up", "b"), ("b", "up", "a")]


def test_bounds_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="offers_max must be at least 1, not 0"):
        RemoteConfig(offers_max=0)
