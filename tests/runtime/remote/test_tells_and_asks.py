"""Between systems: what two or three nodes and a client on one virtual network say to each other, and say wrongly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    BadMessage,
    FrameTooLarge,
    Outcome,
)
from coterie.runtime.actor import Actor, Later
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.rows import (
    ASK,
    DECLARED,
    ENDED,
    ERROR,
    LOOKUP,
    OFFER,
    REPLY,
    ROUTE,
    SPAWN,
    UNWATCH,
    WATCH,
    WITHDRAW,
)
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="remote.Echo")
class Echo(Ask[str]):
    text: str


@message(name="remote.Note")
class Note:
    number: int


@message(name="remote.Introduce")
class Introduce(Ask[Ref[Any]]):
    ref: Ref[Any] | None = None


@message(name="remote.Bytes")
class Bytes(Ask[bytes]):
    size: int
    load: bytes = b""


@message(name="remote.Misfit")
class Misfit(Ask[int]):
    reply: str = "not an int"


@message(name="remote.Nested")
class Nested:
    inner: Nested | None = None


@message(name="remote.Unknown")
class Unknown(Ask[int]):
    pass


Mail = Echo | Note | Introduce | Bytes | Misfit | Nested


class Server(Actor[Mail]):
    """Answers, in ways that its messages ask for."""

    def __init__(self) -> None:
        self.notes: list[int] = []
        self.kept: list[Later[str]] = []

    def receive(self, msg: Mail) -> object:
        match msg:
            case Echo("fail"):
                raise RuntimeError("failed over there" + "!" * 5000)
            case Echo("later"):
                self.kept.append(self.context.reply_later(msg))
            case Echo(text):
                return f"{text} at {self.context.system.node}"
            case Note(number):
                self.notes.append(number)
            case Introduce(ref):
                return self.context.self_ref if ref is None else ref
            case Bytes(size):
                return b"x" * size
            case Misfit(reply):
                return reply
        return None


class Other(Actor[Unknown]):
    def receive(self, msg: Unknown) -> int:
        return 1


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


def latest_dead_letters(system: System) -> list[tuple[str, str]]:
    return [(letter.reason.value, letter.detail) for letter in system.dead_letters.latest]


async def settle() -> None:
    await asyncio.sleep(0.1)


async def test_tell_and_ask_by_address_and_in_order(world: World, there: Ref[Any]) -> None:
    for at in range(500):
        there.tell(Note(at))
    assert await there.ask(Echo("hello")) == "hello at b"

    assert world.server("b").notes == list(range(500))


async def test_a_ref_that_came_in_a_reply_works_both_ways(world: World, there: Ref[Any]) -> None:
    ref = await there.ask(Introduce())
    assert (ref.node, ref.uid) == ("b", 1)
    assert await ref.ask(Echo("by ref")) == "by ref at b"

    back = await there.ask(Introduce(ref))
    assert back == ref
    mine = world.systems["a"].registry.cell_at("server")
    assert mine is not None
    assert await there.ask(Introduce(mine.ref)) == mine.ref, "a ref that comes home is the actor's own"


async def test_nobody_at_the_path_and_a_stopped_actor_and_its_successor(world: World, there: Ref[Any]) -> None:
    a, b = world.systems["a"], world.systems["b"]
    with pytest.raises(ActorNotFound, match="no actor at 'nobody' on node 'b'"):
        await a.at(Address("b", "nobody")).ask(Echo("x"))
    ref = await there.ask(Introduce())
    cell = b.registry.cell_at("server")
    assert cell is not None
    await b.stop(cell.ref)
    with pytest.raises(ActorNotFound):
        await ref.ask(Echo("x"))
    b.spawn(Server, name="server")
    with pytest.raises(ActorStopped, match="another actor has its path now"):
        await ref.ask(Echo("x"))
    ref.tell(Note(1))
    a.at(Address("b", "nobody")).tell(Note(1))
    assert await there.ask(Echo("address")) == "address at b"

    assert world.server("b").notes == []
    assert b.stats().dead_letters == {"stopped": 1, "not_found": 1}


async def test_a_ref_of_an_earlier_life_of_a_node_reaches_nobody(world: World, there: Ref[Any]) -> None:
    old = await there.ask(Introduce())
    await world.stop("b")
    await world.start("b")
    world.systems["b"].add_peer("a", "a.test", 1)
    await asyncio.sleep(5)

    with pytest.raises(ActorStopped, match="earlier incarnation of node 'b'"):
        await old.ask(Echo("x"))
    assert await there.ask(Echo("new life")) == "new life at b"
    at_home = await there.ask(Introduce(old))
    assert at_home == old
    # The same path and uid live on b again: only the incarnation tells them apart.
    home = world.systems["b"].registry.ref(old.node, old.incarnation, old.path, old.uid)
    with pytest.raises(ActorStopped):
        await home.ask(Echo("x"))
    assert [event for event in world.events if event[0] == "a"] == [
        ("a", "up", "b"),
        ("a", "down", "b"),
        ("a", "lost", "b"),
        ("a", "up", "b"),
    ]


async def test_an_unknown_type_and_a_wrong_field_are_dead_letters_and_the_link_lives(
    world: World, there: Ref[Any]
) -> None:
    b = world.systems["b"]
    there.tell(Unknown())
    there.tell(Note("text"))  # type: ignore[arg-type]
    with pytest.raises(BadMessage, match=r"unknown message type 'remote\.Unknown'"):
        await there.ask(Unknown())
    with pytest.raises(BadMessage, match="field 'text': expected str, got int 3"):
        await there.ask(Echo(3))  # type: ignore[arg-type]
    there.tell(Note(7))
    await settle()

    assert [reason for reason, _ in latest_dead_letters(b)] == ["bad_message"] * 4
    assert "field 'number': expected int, got str 'text'" in latest_dead_letters(b)[1][1]
    assert world.server("b").notes == [7]
    assert world.events == [("a", "up", "b"), ("b", "up", "a")]


async def test_a_message_that_the_actor_does_not_take_cannot_make_it_fail(world: World, there: Ref[Any]) -> None:
    b = world.systems["b"]
    b.spawn(Other, name="other")
    there.tell(Unknown())
    with pytest.raises(BadMessage, match=r"'server' on node 'b' does not take 'remote\.Unknown'"):
        await there.ask(Unknown())

    assert await world.systems["a"].at(Address("b", "other")).ask(Unknown()) == 1
    assert b.stats().failures == 0


@pytest.mark.parametrize(
    "row",
    [
        None,
        3,
        "text",
        {},
        {0: 16},
        {"a": 1},
        (),
        ((),),
        ("server",),
        (12, 1),
        (-1, 1),
        (True, 17, "server", 0, "remote.Note"),
        (16,),
        (16, "1"),
        (16, None),
        (17, 1),
        (ROUTE, 17, "server", 0),
        (ROUTE, 17, "server", "0", "remote.Note"),
        (ROUTE, 15, "server", 0, "remote.Note"),
        (ROUTE, -1, "server", 0, "remote.Note"),
        (ROUTE, 16 + 4096, "server", 0, "remote.Note"),
        (ROUTE, 17, "s" * 1025, 0, "remote.Note"),
        (ROUTE, 17, "server", 0, "n" * 1025),
        (ASK, 1, 16, (1,), 1000, ()),
        (ASK, 1, 17, ("x",), 1000, ()),
        (ASK, "1", 16, ("x",), 1000, ()),
        (ASK, 1, 16, "x", 1000, ()),
        (ASK, 1, 16, ("x",), 1.5, ()),
        (OFFER, 1, 16, ()),
        (OFFER, 1, 16, ("x",)),
        (OFFER, 1, 17, (1,)),
        (OFFER, 1, 16, 1),
        (WITHDRAW, "1"),
        (REPLY, 1),
        (ERROR, 1, 2, 3),
        (DECLARED, 1, "name", 3),
        (WATCH, 1, 1),
        (UNWATCH, "server", None),
        (ENDED, "server", 1),
        (LOOKUP, 1, 2, ()),
        (SPAWN, 1, "kind", [1], None, 3),
    ],
    ids=lambda row: repr(row)[:40],
)
async def test_a_garbage_row_is_one_dead_letter_and_hurts_no_neighbour(
    world: World, there: Ref[Any], row: object
) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    there.tell(Note(1))
    transport.send("b", Lane.BULK, row)
    there.tell(Note(2))
    await settle()

    assert world.server("b").notes == [1, 2]
    assert world.systems["b"].stats().dead_letters == {"bad_message": 1}
    assert world.events == [("a", "up", "b"), ("b", "up", "a")]


async def test_replies_and_errors_that_nobody_asked_for_are_ignored(world: World, there: Ref[Any]) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    transport.send("b", Lane.BULK, (REPLY, 12345, "reply"))
    transport.send("b", Lane.BULK, (ERROR, 12345, "failed", "error"))
    transport.send("b", Lane.BULK, (DECLARED, 12345, "Error", ()))
    transport.send("b", Lane.BULK, (WITHDRAW, 12345))
    transport.send("b", Lane.BULK, (UNWATCH, "server", 1))
    transport.send("b", Lane.BULK, (ENDED, "server", 1, "stopped"))
    assert await there.ask(Echo("x")) == "x at b"

    assert world.systems["b"].stats().dead_letters == {}


async def test_only_the_node_that_was_asked_can_answer(world: World, there: Ref[Any]) -> None:
    await world.start("c")
    world.link("a", "c")
    await asyncio.sleep(1)
    transport = world.systems["c"].remoting.transport
    assert transport is not None
    ask = there.ask(Echo("later"))
    for ask_id in range(20):
        transport.send("a", Lane.BULK, (REPLY, ask_id, "forged"))
        transport.send("a", Lane.BULK, (ERROR, ask_id, "failed", "forged"))
    await settle()
    world.server("b").kept[0].reply("genuine")

    assert await ask == "genuine"


async def test_a_message_nested_too_deeply_is_a_bad_message_at_both_ends(world: World, there: Ref[Any]) -> None:
    deep: Nested | None = None
    row: tuple[object, ...] | None = None
    for _ in range(5000):
        deep = Nested(deep)
    for _ in range(480):  # as deep as a packer takes
        row = ("remote.Nested", (row,))
    there.tell(deep)
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    there.tell(Nested(None))
    transport.send("b", Lane.BULK, (16, row))
    assert await there.ask(Echo("alive")) == "alive at b"

    assert [reason for reason, _ in latest_dead_letters(world.systems["a"])] == ["bad_message"]
    assert set(world.systems["b"].stats().dead_letters) <= {"bad_message"}


async def test_an_error_over_there_reaches_the_asker_in_short(world: World, there: Ref[Any]) -> None:
    with pytest.raises(ActorFailed, match="RuntimeError: failed over there!!!") as caught:
        await there.ask(Echo("fail"))

    assert len(str(caught.value)) < 1100
    assert await there.ask(Echo("again")) == "again at b"


async def test_a_reply_of_the_wrong_type_is_an_error_to_the_asker_and_logged_where_it_was_made(
    world: World, there: Ref[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ActorFailed, match=r"the reply to .* cannot cross the wire: BadMessage: expected int"):
        await there.ask(Misfit())

    logged = [record.message for record in caplog.records if record.message.startswith("actor.reply_refused")]
    assert len(logged) == 1
    assert "node=b actor=server" in logged[0]
    assert "expected int" in logged[0]
    assert (world.systems["a"].failures, world.systems["b"].failures) == (0, 1)
    assert await there.ask(Echo("again")) == "again at b"


async def test_a_reply_too_large_for_a_frame_is_an_error_to_the_asker_at_once(world: World, there: Ref[Any]) -> None:
    before = world.systems["a"].host.clock.monotonic()
    with pytest.raises(ActorFailed, match=r"the reply to .remote\.Bytes. cannot cross the wire: FrameTooLarge"):
        await there.ask(Bytes(200_000))

    assert world.systems["a"].host.clock.monotonic() - before < 0.1
    assert len(await there.ask(Bytes(90_000))) == 90_000


async def test_a_message_too_large_for_a_frame_names_the_limit(world: World, there: Ref[Any]) -> None:
    with pytest.raises(FrameTooLarge, match="message_cap_bytes=") as caught:
        await there.ask(Bytes(1, b"x" * 200_000))
    there.tell(Bytes(1, b"x" * 200_000))

    assert caught.value.limit_bytes == 100_000
    assert caught.value.outcome is Outcome.DEFINITE
    assert "the limit is 100000" in latest_dead_letters(world.systems["a"])[0][1]


async def test_a_field_that_cannot_cross_is_named_at_the_sender(world: World, there: Ref[Any]) -> None:
    with pytest.raises(BadMessage, match=r"'remote\.Bytes', field 'size'"):
        await there.ask(Bytes(2**64))
    there.tell(Note(2**64))
    there.tell(Introduce("no ref"))  # type: ignore[arg-type]

    assert [reason for reason, _ in latest_dead_letters(world.systems["a"])] == ["bad_message", "bad_message"]


async def test_a_later_reply_is_sent_once(world: World, there: Ref[Any]) -> None:
    ask = there.ask(Echo("later"))
    await settle()
    items = world.systems["b"].stats().transport["items_out"]
    later = world.server("b").kept[0]
    later.reply("first")
    later.reply("second")
    later.fail(RuntimeError("third"))

    assert await ask == "first"
    assert world.systems["b"].stats().transport["items_out"] == items + 1


async def test_a_client_reaches_exported_actors_only(world: World) -> None:
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("b.test", 1)
    await asyncio.sleep(1)

    assert await client.at(Address("b", "server")).ask(Echo("hi")) == "hi at b"
    with pytest.raises(ActorNotFound, match="'private' on node 'b' for clients: it is not there, it is not exported"):
        await client.at(Address("b", "private")).ask(Echo("hi"))
    client.at(Address("b", "private")).tell(Note(1))
    await settle()
    assert world.server("b", "private").notes == []
    assert world.systems["b"].stats().dead_letters == {"not_exported": 1}
    assert await world.systems["a"].at(Address("b", "private")).ask(Echo("node")) == "node at b"


async def test_a_ref_of_a_third_node_travels_between_two_others(world: World, there: Ref[Any]) -> None:
    await world.start("c")
    world.link("a", "c")
    world.link("b", "c")
    await asyncio.sleep(1)
    server = await world.systems["a"].at(Address("c", "server")).ask(Introduce())
    travelled = await there.ask(Introduce(server))

    assert travelled == server
    assert await travelled.ask(Echo("x")) == "x at c"
