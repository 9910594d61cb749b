"""Load reports between systems: who gets them, with which answers, and what becomes of wrong ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorFailed, BadMessage, MailboxFullError
from coterie.runtime.actor import Actor
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address
from coterie.runtime.remote.rows import LOAD, REPLY, Row
from tests.runtime.recording_meter import RecordingMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


class Declared(ValueError):
    pass


@message(name="load_rows.Get", raises=(Declared,))
class Get(Ask[str]):
    text: str = "reply"


@message(name="load_rows.Urgent", lane=Lane.CONSENSUS)
class Urgent(Ask[str]):
    pass


class Server(Actor[Get | Urgent]):
    def receive(self, msg: Get | Urgent) -> str:
        match msg:
            case Get("declared"):
                raise Declared("no")
            case Get("fail"):
                raise RuntimeError("broken")
        return "reply"


class Slow(Actor[Get]):
    async def receive(self, msg: Get) -> str:
        await asyncio.sleep(1)
        return msg.text


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


class Notes:
    """Notes the loads that a system gets, and how many of its asks are answered then."""

    def __init__(self, world: World, node: str) -> None:
        self.seen: list[tuple[str, str, tuple[object, ...]]] = []
        self.pending: list[int] = []
        self._remoting = world.systems[node].remoting
        self._remoting.load_listener = self.note

    def note(self, node: str, path: str, values: tuple[object, ...]) -> None:
        if values and values[0] == "wrong":
            raise BadMessage("the first value is wrong")
        self.seen.append((node, path, values))
        self.pending.append(self._remoting.asks_pending)


def metered(world: World, actor: type[Actor[Any]] = Server, **options: Any) -> RecordingMeter:
    """Spawn `metered` on node b, which reports (7, 0.5) to node a."""
    meter = RecordingMeter({"a": (7, 0.5)})
    world.systems["b"].spawn(actor, name="metered", meter=meter, **options)
    return meter


METERED = Address("b", "metered")


@pytest.mark.parametrize("msg", [Get(), Urgent()])
async def test_a_load_report_comes_ahead_of_the_answer(world: World, msg: Get | Urgent) -> None:
    metered(world)
    notes = Notes(world, "a")

    assert await world.systems["a"].at(METERED).ask(msg) == "reply"

    assert notes.seen == [("b", "metered", (7, 0.5))]
    assert notes.pending == [1], "the ask was not answered yet"


async def test_a_node_that_did_not_subscribe_gets_none(world: World) -> None:
    metered(world)
    await world.start("c")
    world.link("b", "c")
    await asyncio.sleep(1)
    notes = Notes(world, "c")

    assert await world.systems["c"].at(METERED).ask(Get()) == "reply"

    assert notes.seen == []
    assert world.systems["c"].remoting.loads_dropped == 0


async def test_an_actor_without_a_meter_sends_none(world: World) -> None:
    notes = Notes(world, "a")
    await world.systems["a"].at(Address("b", "server")).ask(Get())

    assert notes.seen == []


@pytest.mark.parametrize(("text", "error"), [("declared", Declared), ("fail", ActorFailed)])
async def test_errors_carry_a_load_report_too(world: World, text: str, error: type[Exception]) -> None:
    metered(world)
    notes = Notes(world, "a")
    with pytest.raises(error):
        await world.systems["a"].at(METERED).ask(Get(text))

    assert len(notes.seen) == 1


async def test_a_full_mailbox_says_how_loaded_it_is(world: World) -> None:
    metered(world, Slow, capacity=1)
    notes, ref = Notes(world, "a"), world.systems["a"].at(METERED)
    asked = [ref.ask(Get())]
    await asyncio.sleep(0.1)
    asked.append(ref.ask(Get()))
    with pytest.raises(MailboxFullError):
        await ref.ask(Get())

    assert len(notes.seen) == 1
    await asyncio.gather(*asked)


async def test_without_a_listener_reports_are_dropped_and_counted(world: World) -> None:
    metered(world)

    assert await world.systems["a"].at(METERED).ask(Get()) == "reply"

    assert world.systems["a"].remoting.loads_dropped == 1
    assert world.systems["a"].stats().dead_letters == {}


async def test_a_report_for_a_request_that_is_over_is_dropped_and_counted(world: World) -> None:
    notes = Notes(world, "a")
    transport = world.systems["b"].remoting.transport
    assert transport is not None
    for number in (0, 1, 2**40):
        transport.send("a", Lane.BULK, (LOAD, number, (7, 0.5)))
    await asyncio.sleep(1)

    assert notes.seen == []
    assert world.systems["a"].remoting.loads_dropped == 3


BAD: list[Callable[[int], Row]] = [
    lambda number: (LOAD, number, ("wrong",)),
    lambda number: (LOAD, number),
    lambda number: (LOAD, number, 7),
    lambda number: (LOAD, number, (), 1),
    lambda number: (LOAD, float(number), ()),
    lambda number: (LOAD, True, ()),
]


@pytest.mark.parametrize("bad", BAD)
async def test_a_wrong_report_is_a_bad_row_and_the_answer_still_counts(world: World, bad: Callable[[int], Row]) -> None:
    notes, a = Notes(world, "a"), world.systems["a"]
    world.systems["b"].spawn(Slow, name="metered")
    transport = world.systems["b"].remoting.transport
    assert transport is not None
    number = a.remoting.next_number() + 1
    asked = a.at(METERED).ask(Get("right"))
    transport.send("a", Lane.BULK, bad(number))

    assert await asked == "right"
    assert notes.seen == []
    assert a.stats().dead_letters == {"bad_message": 1}
    assert world.events == [("a", "up", "b"), ("b", "up", "a")]


async def test_a_forged_report_reaches_only_the_path_that_was_asked(world: World) -> None:
    notes, a = Notes(world, "a"), world.systems["a"]
    world.systems["b"].spawn(Slow, name="metered")
    transport = world.systems["b"].remoting.transport
    assert transport is not None
    number = a.remoting.next_number() + 1
    asked = a.at(METERED).ask(Get("right"))
    transport.send("a", Lane.BULK, (LOAD, number, (1,)))
    transport.send("a", Lane.BULK, (REPLY, number, "early"))
    transport.send("a", Lane.BULK, (LOAD, number, (2,)))

    assert await asked == "early"
    await asyncio.sleep(2)
    assert notes.seen == [("b", "metered", (1,))]
    assert a.remoting.loads_dropped == 1
