"""Who is heard: what a message class declares is held against who is at the other end of the link, before decoding."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorFailed, ActorNotFound, AskError, AskTimeout, BadMessage, CoterieError, MessageTypeError
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.supervision import Restart, Supervision
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message, message_type
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.rows import ASK, ENDED, OFFER, ROUTE
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="speakers.Silent", speaker=Speaker.NOBODY)
class Silent:
    text: str


@message(name="speakers.Signed", speaker=Speaker.MEMBER)
class Signed:
    sender: str


@message(name="speakers.SignedUrgently", speaker=Speaker.MEMBER, lane=Lane.CONSENSUS)
class SignedUrgently:
    sender: str


@message(name="speakers.Internal", speaker=Speaker.NODE)
class Internal(Ask[str]):
    text: str


@message(name="speakers.Open")
class Open(Ask[str]):
    text: str


SECRET = "postgres://app:hunter2@db says no"


class Refused(Exception):
    pass


class OwnError(AskError):
    code = "own"


@message(name="speakers.Fail", raises=(Refused,))
class Fail(Ask[str]):
    how: str


class Server(Actor[Silent | Signed | SignedUrgently | Internal | Open | Fail | Terminated]):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def receive(self, msg: Silent | Signed | SignedUrgently | Internal | Open | Fail | Terminated) -> object:
        self.heard.append(msg)
        match msg:
            case Fail("raises"):
                raise ValueError(SECRET)
            case Fail("declares"):
                raise Refused(SECRET)
            case Fail("fails later"):
                self.context.reply_later(msg).fail(OSError(SECRET))
            case Fail("own ask error"):
                self.context.reply_later(msg).fail(OwnError(SECRET))
            case Fail("raises later"):
                self.context.reply_from(msg, self._late())
            case Fail("cannot encode"):
                return {SECRET}
        return "heard"

    async def _late(self) -> str:
        raise KeyError(SECRET)


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def settle() -> None:
    await asyncio.sleep(0.1)


async def _client(world: World) -> Any:
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("b.test", 1)
    await asyncio.sleep(1)
    return client


MESSAGES = (Silent("x"), Signed("a"), SignedUrgently("a"), Internal("x"), Open("x"))
HEARD_FROM_NODE_A = {Signed, SignedUrgently, Internal, Open}


async def test_a_node_is_heard_with_what_nodes_may_say(world: World, there: Ref[Any]) -> None:
    for one in MESSAGES:
        there.tell(one)
    await settle()

    assert {type(one) for one in world.server("b").heard} == HEARD_FROM_NODE_A
    assert world.systems["b"].stats().dead_letters == {"bad_message": 1}


async def test_a_client_is_heard_with_what_clients_may_say_and_learns_nothing_else(world: World) -> None:
    client = await _client(world)
    target = client.at(Address("b", "server"))
    for one in MESSAGES:
        target.tell(one)
    await settle()

    assert [type(one) for one in world.server("b").heard] == [Open]
    texts = []
    for path, asked in (("server", Internal("x")), ("private", Open("x")), ("nowhere", Open("x"))):
        with pytest.raises(ActorNotFound) as caught:
            await client.at(Address("b", path)).ask(asked)
        texts.append(str(caught.value).replace(path, "PATH"))
    assert len(set(texts)) == 1
    assert [type(one) for one in world.server("b").heard] == [Open]


@pytest.mark.parametrize("forged", [Signed("c"), SignedUrgently("c"), Signed("")])
async def test_nobody_speaks_in_anothers_name(world: World, there: Ref[Any], forged: Any) -> None:
    there.tell(type(forged)("a"))
    there.tell(forged)
    await settle()

    assert world.server("b").heard == [type(forged)("a")]
    (letter,) = world.systems["b"].dead_letters.latest
    assert f"'a' bears the name {forged.sender!r}" in letter.detail


async def test_an_offer_is_no_way_around(world: World, there: Ref[Any]) -> None:
    await there.offer(Signed("a"))

    with pytest.raises(BadMessage, match="bears the name 'c'"):
        await there.offer(Signed("c"))
    with pytest.raises(BadMessage, match="heard from no other node"):
        await there.offer(Silent("x"))
    assert world.server("b").heard == [Signed("a")]


async def test_an_ask_of_what_nobody_may_say_is_refused_before_it_is_decoded(world: World, there: Ref[Any]) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    transport.send("b", Lane.BULK, (ROUTE, 16, "server", 0, "speakers.Silent"))
    for row in ((16, 12345), (ASK, 1, 16, (12345,), 1000, ()), (OFFER, 2, 16, (12345,))):
        transport.send("b", Lane.BULK, row)
    await settle()

    assert world.server("b").heard == []
    details = [letter.detail for letter in world.systems["b"].dead_letters.latest]
    assert len(details) == 3
    assert not any("expected" in detail for detail in details), "no field was looked at"


async def test_nobody_forges_the_end_of_an_actor(world: World, there: Ref[Any]) -> None:
    there.tell(Terminated(there, "forged"))
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    transport.send("b", Lane.CONTROL, (ENDED, "server", 1, "forged"))
    await settle()

    assert world.server("b").heard == []


async def test_a_dead_letter_of_a_peer_keeps_no_message_of_it(world: World, there: Ref[Any]) -> None:
    world.systems["a"].at(Address("b", "nowhere")).tell(Open("x" * 10_000))
    await settle()

    (letter,) = world.systems["b"].dead_letters.latest
    assert letter.message == "speakers.Open"


def test_who_is_heard_unless_the_class_says() -> None:
    assert message_type(Open).speaker is Speaker.CLIENT
    assert message_type(Terminated).speaker is Speaker.NOBODY


def test_a_member_must_sign() -> None:
    with pytest.raises(MessageTypeError, match="needs a field `sender`"):

        @message(name="speakers.Unsigned", speaker=Speaker.MEMBER)
        class Unsigned:
            text: str


FAILURES = {
    "raises": "actor 'server' failed on Fail: ValueError",
    "fails later": "OSError",
    "raises later": "KeyError",
    "cannot encode": "the reply to 'speakers.Fail' cannot cross the wire: BadMessage",
}


@pytest.mark.parametrize("how", FAILURES)
async def test_what_an_exception_says_is_for_nodes_and_its_type_for_clients(
    world: World, there: Ref[Any], how: str
) -> None:
    client = await _client(world)
    with pytest.raises(ActorFailed) as to_client:
        await client.at(Address("b", "server")).ask(Fail(how))
    with pytest.raises(ActorFailed) as to_node:
        await there.ask(Fail(how))

    assert str(to_client.value) == FAILURES[how]
    assert str(to_node.value).startswith(FAILURES[how])
    if how != "cannot encode":
        assert SECRET in str(to_node.value)


async def test_an_error_of_ones_own_that_is_an_ask_error_keeps_its_text_from_clients(world: World) -> None:
    client = await _client(world)
    with pytest.raises(ActorFailed) as caught:
        await client.at(Address("b", "server")).ask(Fail("own ask error"))
    assert str(caught.value) == "OwnError"


async def test_a_declared_error_crosses_with_its_text(world: World) -> None:
    client = await _client(world)
    with pytest.raises(Refused, match="hunter2"):
        await client.at(Address("b", "server")).ask(Fail("declares"))


async def test_a_client_does_not_hear_what_an_exception_said_that_ended_an_actor(world: World, there: Ref[Any]) -> None:
    client = await _client(world)
    mortal = world.systems["b"].spawn(
        Server, name="mortal", exported=True, supervision=Supervision(restart=Restart.TEMPORARY)
    )
    heard: dict[str, list[str]] = {"a": [], "client": []}
    for name, system in (("a", world.systems["a"]), ("client", client)):
        watcher = system.spawn(partial(Watcher, heard[name]))
        watcher.tell(Follow(await system.lookup("b/mortal")))
    await settle()
    mortal.tell(Fail("raises"))
    await settle()

    assert SECRET in heard["a"][0]
    assert heard["client"] == ["failed: ValueError"]


@message(name="speakers.Follow")
class Follow:
    who: Ref[Any]


class Watcher(Actor[Follow | Terminated]):
    def __init__(self, heard: list[str]) -> None:
        self._heard = heard

    def receive(self, msg: Follow | Terminated) -> None:
        if isinstance(msg, Follow):
            self.context.watch(msg.who)
        else:
            self._heard.append(msg.cause)


@message(name="speakers.NotDeclaredThere")
class NotDeclaredThere(Ask[str]):
    pass


@message(name="speakers.Inner")
class Inner(Ask[str]):
    pass


class Room(Actor[Inner]):
    def receive(self, msg: Inner) -> str:
        return "inner"


async def test_a_client_does_not_learn_which_types_are_declared(world: World) -> None:
    world.systems["b"].spawn(Room, name="room")  # not exported
    client = await _client(world)
    texts = {}
    for path in ("server", "room", "nowhere"):
        for asked in (Inner(), NotDeclaredThere()):
            with pytest.raises(CoterieError) as caught:
                await client.at(Address("b", path)).ask(asked)
            name = message_type(type(asked)).name
            texts[path, name] = str(caught.value).replace(path, "PATH").replace(name, "NAME")
    assert len({text for (path, _), text in texts.items() if path == "server"}) == 1
    assert len({text for (path, _), text in texts.items() if path != "server"}) == 1


@message(name="speakers.Deeper", raises=(Refused,))
class Deeper(Ask[str]):
    how: str


class Front(Actor[Fail]):
    """Passes on the answer of an inner actor, by a task or by a reply that is given later."""

    def receive(self, msg: Fail) -> None:
        way, _, path = msg.how.partition(" ")
        asked = self.context.system.at(Address(self.context.system.node, path)).ask(Deeper("raises"), timeout_s=0.1)
        if way == "task":
            self.context.reply_from(msg, self._answer(asked))
        else:
            later = self.context.reply_later(msg)
            asked.add_done_callback(lambda done: later.fail(done.exception()))  # type: ignore[arg-type]

    async def _answer(self, asked: Any) -> Any:
        return await asked


class Hidden(Actor[Deeper]):
    """Fails, or is asked in vain."""

    def __init__(self, way: str) -> None:
        self._way = way

    def receive(self, msg: Deeper) -> str:
        match self._way:
            case "silent":
                self.context.reply_later(msg)
            case "declares":
                raise Refused("declared")
            case _:
                raise ValueError(SECRET)
        return ""


PASSED_ON = {
    "task inner-gone": (ActorNotFound, "actor 'front' passed on an error: ActorNotFound"),
    "task inner-silent": (AskTimeout, "actor 'front' passed on an error: AskTimeout"),
    "task inner-fails": (ActorFailed, "actor 'front' passed on an error: ActorFailed"),
    "task inner-declares": (Refused, "declared"),
    "later inner-gone": (ActorNotFound, "ActorNotFound"),
    "later inner-silent": (AskTimeout, "AskTimeout"),
    "later inner-declares": (Refused, "declared"),
}


@pytest.mark.parametrize("how", PASSED_ON)
async def test_an_error_that_an_actor_passes_on_does_not_name_the_inner_actor_to_clients(
    world: World, how: str
) -> None:
    system = world.systems["b"]
    system.spawn(Front, name="front", exported=True)
    for way in ("silent", "fails", "declares"):
        system.spawn(partial(Hidden, way), name=f"inner-{way}")
    client = await _client(world)

    kind, text = PASSED_ON[how]
    with pytest.raises(kind) as to_client:
        await client.at(Address("b", "front")).ask(Fail(how))
    await asyncio.sleep(10)  # one that has failed is started again
    with pytest.raises(kind) as to_node:
        await world.systems["a"].at(Address("b", "front")).ask(Fail(how))

    assert type(to_client.value) is kind
    assert str(to_client.value) == text
    assert "declares" in how or "inner" in str(to_node.value)
