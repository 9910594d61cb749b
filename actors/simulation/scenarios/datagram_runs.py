"""Datagram runs: simulates networks that double or forge datagrams; a failed run raises `Violation`.

No fault forges a datagram, and no scenario has datagrams under every plan; hence these directed runs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.runtime.actor import Actor
from coterie.runtime.datagrams.authentication import DatagramAuthentication
from coterie.runtime.datagrams.datagram_format import ProcessName, encode_header, pack_body
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["doubled_datagrams", "forged_datagrams"]

CLUSTER: Final = "c"
PORTS: Final = {"n1": 7401, "n2": 7402}
HOST: Final = "127.0.0.1"
KEY: Final = SharedKey(b"a key of the nodes n1 and n2")
A_STRANGERS_KEY: Final = SharedKey(b"a key that neither of them has")
SENT: Final = 50
INTERVAL_S: Final = 0.1


@message(name="simulation.Probe", speaker=Speaker.NODE)
class ProbeMessage:
    """A numbered message."""

    number: int


class ProbeListener(Actor[ProbeMessage]):
    """Counts the messages that it receives, by number."""

    def __init__(self, received: Counter[int]) -> None:
        self._received = received

    def receive(self, msg: ProbeMessage, /) -> None:
        """Count the message."""
        self._received[msg.number] += 1


def doubled_datagrams(seed: int) -> None:
    """Double every datagram from one node to another: each message must be handled at most once.

    Raises:
        Violation: `runtime.datagram_repeated`.
    """
    world, received = SimulatedWorld(seed), Counter[int]()
    world.run(partial(_send_over_doubling_link, world, received))
    if not received or max(received.values()) > 1:
        detail = (
            f"it has handled {len(received)} of {SENT} messages, one of them {max(received.values(), default=0)} times"
        )
        ViolationContext().fail("runtime.datagram_repeated", NodeId("n2"), detail)


def forged_datagrams(seed: int) -> None:
    """Send datagrams that were made with another key to a node: it must not handle them.

    Raises:
        Violation: `runtime.stranger_heard`.
    """
    world, received = SimulatedWorld(seed), Counter[int]()
    world.run(partial(_send_forgeries, world, received))
    if received:
        detail = f"it has handled {received.total()} datagrams that were made without its key"
        ViolationContext().fail("runtime.stranger_heard", NodeId("n2"), detail)


async def _send_over_doubling_link(world: SimulatedWorld, received: Counter[int]) -> None:
    world.network.link("n1", "n2").duplication = 1.0
    _, sender = await _start(world, received)
    for number in range(SENT):
        with world.lives["n1"]:
            sender.datagrams.tell(Address("n2", "listener"), ProbeMessage(number))
        await asyncio.sleep(INTERVAL_S)


async def _send_forgeries(world: SimulatedWorld, received: Counter[int]) -> None:
    target, named = await _start(world, received)
    stranger = world.begin("stranger")
    socket = await stranger.create_task(stranger.host.network.open_datagrams(_ignore, HOST, 0))
    for number in range(SENT):
        with stranger:
            socket.send(_forgery(named, target, number), (HOST, PORTS["n2"]))
        await asyncio.sleep(INTERVAL_S)


async def _start(world: SimulatedWorld, received: Counter[int]) -> tuple[System, System]:
    """Start and link both nodes; return the systems of n2 and n1."""
    systems: dict[str, System] = {}
    for name in PORTS:
        life = world.begin(name)
        life.create_task(_run_node(life, systems, received))
    while not all(name in systems and systems[name].links for name in PORTS):  # noqa: ASYNC110 (of other processes)
        await asyncio.sleep(INTERVAL_S)
    return systems["n2"], systems["n1"]


async def _run_node(life: Life, systems: dict[str, System], received: Counter[int]) -> None:
    async with System(life.name, cluster=CLUSTER, host=life.host, auth=KEY) as system:
        await system.listen(HOST, PORTS[life.name], datagrams=True)
        if life.name == "n2":
            system.spawn(partial(ProbeListener, received), name="listener")
        for peer, port in PORTS.items():
            if peer != life.name:
                system.add_peer(peer, HOST, port)
        systems[life.name] = system
        await asyncio.get_running_loop().create_future()


def _forgery(named: System, target: System, number: int) -> bytes:
    """Return a datagram to `target` in the name of `named`, right in everything but its code."""
    sender, receiver = (ProcessName(system.node, system.incarnation) for system in (named, target))
    body = pack_body("listener", "simulation.Probe", (number,))
    covered = encode_header(CLUSTER, sender, receiver, number + 1) + body
    return covered + DatagramAuthentication(A_STRANGERS_KEY).code(covered)


def _ignore(data: bytes, source: tuple[str, int]) -> None:
    """Take a datagram; a stranger gets none."""
