"""Rights runs: simulates peers that use the refs, keys, names and numbers of others, and checks what they reach."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.raft_disk import RaftDisk, founded
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import RequestVote
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey

__all__ = ["implausible_terms", "names_and_keys", "refs_of_others"]

HOST: Final = "127.0.0.1"
PORTS: Final = {"n1": 7401, "n2": 7402}
SETTLE_S: Final = 5.0
CLIENT_KEY: Final = ClientKey("billing", b"the key of billing, 32 bytes....")
NODE_KEY: Final = SharedKey(b"the key of all nodes, 32 bytes..", clients=(CLIENT_KEY,))


@message(name="simulation.Price", speaker=Speaker.CLIENT)
class PriceMessage:
    """What a subscriber takes."""

    value: int


@message(name="simulation.Subscribe", speaker=Speaker.CLIENT)
class SubscribeMessage:
    """Asks a feed to tell a price to `subscriber`."""

    subscriber: Ref[PriceMessage]


@message(name="simulation.Open", speaker=Speaker.CLIENT)
class OpenMessage:
    """What a vault takes."""


class Feed(Actor[SubscribeMessage]):
    """The deputy: tells a price to each ref that it is given."""

    def receive(self, msg: SubscribeMessage, /) -> None:
        """Tell a price."""
        msg.subscriber.tell(PriceMessage(7))


class Collector(Actor[PriceMessage]):
    """Collects prices."""

    def __init__(self, heard: list[object]) -> None:
        self._heard = heard

    def receive(self, msg: PriceMessage, /) -> None:
        """Store the message."""
        self._heard.append(msg)


class Vault(Actor[OpenMessage]):
    """Takes no prices."""

    def __init__(self, heard: list[object]) -> None:
        self._heard = heard

    def receive(self, msg: OpenMessage, /) -> None:
        """Store the message."""
        self._heard.append(msg)


def refs_of_others(seed: int) -> None:
    """Let a client give a deputy the ref of a private actor, and a node that of an actor which takes no prices.

    Raises:
        Violation: `runtime.private_actor_reached`, `runtime.foreign_message_taken`, `runtime.public_actor_unreached`.
    """
    heard: dict[str, list[object]] = {name: [] for name in ("private", "public", "vault")}

    async def listen(life: Life) -> None:
        async with _node(life) as system:
            await system.listen(HOST, PORTS["n1"])
            system.spawn(Feed, name="feed", exported=True)
            system.spawn(partial(Collector, heard["private"]), name="private")
            system.spawn(partial(Collector, heard["public"]), name="public", exported=True)
            system.spawn(partial(Vault, heard["vault"]), name="vault", exported=True)
            system.add_peer("n2", HOST, PORTS["n2"])
            await asyncio.Event().wait()

    async def speak(life: Life, role: PeerRole, paths: tuple[str, ...]) -> None:
        async with _node(life, role) as system:
            if role is PeerRole.NODE:
                await system.listen(HOST, PORTS[life.name])
                system.add_peer("n1", HOST, PORTS["n1"])
            else:
                system.dial(HOST, PORTS["n1"])
            await system.linked("n1")
            for path in paths:
                feed: Ref[SubscribeMessage] = system.at(Address("n1", "feed"))
                feed.tell(SubscribeMessage(system.at(Address("n1", path))))
            await asyncio.Event().wait()

    _run(
        seed,
        n1=listen,
        n2=partial(speak, role=PeerRole.NODE, paths=("vault",)),
        client=partial(speak, role=PeerRole.CLIENT, paths=("private", "public")),
    )
    if heard["private"]:
        _fail("runtime.private_actor_reached", "a ref of a client has reached an actor that is not exported")
    if heard["vault"]:
        _fail("runtime.foreign_message_taken", "a ref of a node has brought an actor a message that it does not take")
    if not heard["public"]:
        _fail("runtime.public_actor_unreached", "a ref of a client has not reached an exported actor")


def names_and_keys(seed: int) -> None:
    """Let the holder of a client's key link as a node, as another client, and under the name of a node.

    Raises:
        Violation: `runtime.client_key_made_node`, `runtime.reserved_name_taken`, `runtime.right_client_refused`.
    """
    linked: set[str] = set()

    async def listen(life: Life) -> None:
        async with _node(life, auth=NODE_KEY) as system:
            system.on_link(lambda event: linked.add(event.node) if event.kind == "up" else None)
            system.remoting.network().reserve_names(["n1", "n2", "billing+node"])
            await system.listen(HOST, PORTS["n1"])
            await asyncio.Event().wait()

    async def dial(life: Life, role: PeerRole) -> None:
        auth = SharedKey(CLIENT_KEY.key) if role is PeerRole.NODE else CLIENT_KEY
        async with _node(life, role, auth=auth) as system:
            system.dial(HOST, PORTS["n1"])
            await asyncio.Event().wait()

    as_client, as_node = partial(dial, role=PeerRole.CLIENT), partial(dial, role=PeerRole.NODE)
    dialers = {"billing+1": as_client, "billing+node": as_client, "n2": as_node}
    _run(seed, n1=listen, **dialers)
    if "n2" in linked:
        _fail("runtime.client_key_made_node", "who has the key of a client was linked as a node")
    if "billing+node" in linked:
        _fail("runtime.reserved_name_taken", "a client was linked under a name that is kept for a node")
    if "billing+1" not in linked:
        _fail("runtime.right_client_refused", "a client with its own key and name was not linked")


def implausible_terms(seed: int) -> None:
    """Let a member ask for a vote in the largest term that the wire can carry.

    Raises:
        Violation: `raft.term_without_cap`.
    """
    voters = tuple(map(NodeId, ("n1", "n2", "n3")))
    disk = RaftDisk()
    disk.found(founded(voters))
    raft = Raft(voters[0], RaftConfig(voters), restored=disk.restored(), rng=random.Random(seed))
    raft.handle([Received(voters[1], RequestVote(Term(2**64 - 1), LogIndex(9), Term(9)))], now=1.0)
    if raft.term > 2**40:
        _fail("raft.term_without_cap", f"one letter has brought the group into term {raft.term}: it never elects again")


def _run(seed: int, **programs: Callable[[Life], Coroutine[Any, Any, None]]) -> None:
    """Run a program on each of these machines for a while; the first one begins before the others."""

    async def main(world: SimulatedWorld) -> None:
        for name, program in programs.items():
            life = world.begin(name)
            life.create_task(program(life))
        await asyncio.sleep(SETTLE_S)

    world = SimulatedWorld(seed)
    world.run(partial(main, world))


def _node(life: Life, role: PeerRole = PeerRole.NODE, *, auth: SharedKey | ClientKey | None = None) -> System:
    return System(life.name, cluster="c", host=life.host, role=role, auth=auth)


def _fail(invariant: str, detail: str) -> None:
    ViolationContext().fail(invariant, NodeId("n1"), detail)
