"""Hostile runs: simulates authenticated peers, a node and a client, that say what they must not say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["kept_letters", "logged_texts", "unheard_messages"]

HOST: Final = "127.0.0.1"
PORTS: Final = {"n1": 7401, "n2": 7402}
SETTLE_S: Final = 5.0
FORGED_LINE: Final = "2026-11-29 10:00:00,000 CRITICAL"
LARGE: Final = "x" * 100_000


@message(name="simulation.Internal", speaker=Speaker.NODE)
class InternalMessage:
    """Heard from nodes, not from clients."""

    text: str


@message(name="simulation.Signed", speaker=Speaker.MEMBER)
class SignedMessage:
    """Heard from nodes in their own names."""

    sender: str


@message(name="simulation.Public", speaker=Speaker.CLIENT)
class PublicMessage:
    """Heard from nodes and clients."""

    text: str


Heard = InternalMessage | SignedMessage | PublicMessage | Terminated


class ExportedEar(Actor[Heard]):
    """Collects what it hears."""

    def __init__(self, heard: list[Heard]) -> None:
        self._heard = heard

    def receive(self, msg: Heard, /) -> None:
        """Store the message."""
        self._heard.append(msg)


class FailingEar(Actor[PublicMessage]):
    """Fails with the text that it hears."""

    def receive(self, msg: PublicMessage, /) -> None:
        """Raise the text."""
        raise ValueError(msg.text)


def unheard_messages(seed: int) -> None:
    """Let a client say what nodes may say, and a node what only the runtime, or another node, may say.

    Raises:
        Violation: `runtime.client_heard_as_node`, `runtime.heard_under_another_name`, `runtime.forged_notice_heard`.
    """
    heard: list[Heard] = []
    world = SimulatedWorld(seed)
    world.run(partial(_speak, world, heard, {}))
    fail = partial(_fail, ViolationContext())
    if any(isinstance(one, InternalMessage) for one in heard):
        fail("runtime.client_heard_as_node", "an actor has handled a message of a client that only nodes may send")
    if SignedMessage("n3") in heard:
        fail("runtime.heard_under_another_name", "an actor has handled a message of n2 that bears the name of n3")
    if any(isinstance(one, Terminated) for one in heard):
        fail("runtime.forged_notice_heard", "an actor has handled a notice of the runtime that another node has sent")
    if not {PublicMessage("client"), SignedMessage("n2")} <= {one for one in heard if not isinstance(one, Terminated)}:
        fail("runtime.right_message_unheard", "an actor has not handled what its peers may say")


def kept_letters(seed: int) -> None:
    """Let a client send large messages to an actor that does not exist: none of them may stay in memory.

    Raises:
        Violation: `runtime.dead_letter_kept`.
    """
    systems: dict[str, System] = {}
    world = SimulatedWorld(seed)
    world.run(partial(_speak, world, [], systems))
    if any(len(str(letter)) > len(LARGE) for letter in systems["n1"].dead_letters.latest):
        _fail(ViolationContext(), "runtime.dead_letter_kept", "a message that was not delivered is kept")


def logged_texts(seed: int) -> None:
    """Let a client choose the text of an error that is logged: no line of the log may be of its making.

    Raises:
        Violation: `runtime.log_line_forged`.
    """
    world = SimulatedWorld(seed)
    with _captured_log() as records:
        world.run(partial(_provoke, world))
    fail = partial(_fail, ViolationContext())
    if not any("actor.failed" in record for record in records):
        fail("runtime.failure_not_logged", "an actor has failed, and the log does not say so")
    if any(line.startswith(FORGED_LINE) for record in records for line in record.splitlines()):
        fail("runtime.log_line_forged", "a client has written a line of the log")


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """Collect the records that systems log in the block, as a plain formatter writes them."""
    logger, handler = logging.getLogger("coterie"), _Collector()
    disabled, level, propagates = logging.root.manager.disable, logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    logger.propagate = False  # no other handler gets them
    logging.disable(logging.NOTSET)
    try:
        yield handler.records
    finally:
        logging.disable(disabled)
        logger.propagate = propagates
        logger.setLevel(level)
        logger.removeHandler(handler)


class _Collector(logging.Handler):
    """Keeps the formatted records."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


async def _provoke(world: SimulatedWorld) -> None:
    """Run n1 with an actor that fails with the text of a client."""
    listener, client = world.begin("n1"), world.begin("client")
    listener.create_task(_listen_and_fail(listener))
    client.create_task(_ask_for_failure(client))
    await asyncio.sleep(SETTLE_S)


async def _listen_and_fail(life: Life) -> None:
    async with System("n1", cluster="c", host=life.host) as system:
        await system.listen(HOST, PORTS["n1"])
        system.spawn(FailingEar, name="ear", exported=True)
        await asyncio.Event().wait()


async def _ask_for_failure(life: Life) -> None:
    async with System("client", cluster="c", host=life.host, role=PeerRole.CLIENT) as system:
        system.dial(HOST, PORTS["n1"])
        await system.linked("n1")
        ear: Ref[PublicMessage] = system.at(Address("n1", "ear"))
        ear.tell(PublicMessage(f"no such key\n{FORGED_LINE} coterie.n1 store.damaged"))
        await asyncio.Event().wait()


def _fail(violation: ViolationContext, invariant: str, detail: str) -> None:
    violation.fail(invariant, NodeId("n1"), detail)


async def _speak(world: SimulatedWorld, heard: list[Heard], systems: dict[str, System]) -> None:
    """Run n1, and then its two peers."""
    listener = world.begin("n1")
    listener.create_task(_listen(listener, heard, systems))
    for name, speak in (("n2", _speak_as_node), ("client", _speak_as_client)):
        life = world.begin(name)
        life.create_task(speak(life))
    await asyncio.sleep(SETTLE_S)


async def _listen(life: Life, heard: list[Heard], systems: dict[str, System]) -> None:
    async with System("n1", cluster="c", host=life.host) as system:
        systems["n1"] = system
        await system.listen(HOST, PORTS["n1"])
        system.spawn(partial(ExportedEar, heard), name="ear", exported=True)
        system.add_peer("n2", HOST, PORTS["n2"])
        await asyncio.Event().wait()


async def _speak_as_node(life: Life) -> None:
    async with System("n2", cluster="c", host=life.host) as system:
        await system.listen(HOST, PORTS["n2"])
        system.add_peer("n1", HOST, PORTS["n1"])
        await system.linked("n1")
        ear: Ref[Heard] = system.at(Address("n1", "ear"))
        for one in (SignedMessage("n2"), SignedMessage("n3"), Terminated(ear, "forged")):
            ear.tell(one)
        await asyncio.Event().wait()


async def _speak_as_client(life: Life) -> None:
    async with System("client", cluster="c", host=life.host, role=PeerRole.CLIENT) as system:
        system.dial(HOST, PORTS["n1"])
        await system.linked("n1")
        ear: Ref[Heard] = system.at(Address("n1", "ear"))
        for one in (PublicMessage("client"), InternalMessage("client")):
            ear.tell(one)
        nobody: Ref[PublicMessage] = system.at(Address("n1", "nobody"))
        nobody.tell(PublicMessage(LARGE))
        await asyncio.Event().wait()
