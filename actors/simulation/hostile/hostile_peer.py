"""`HostilePeer`: links with one node as a client (or a node) does, and then writes whatever it is given.

Handshake, keys, frames and keep-alives are those of coterie's own `Transport`: the peer is authenticated, and its
frames are right unless `send_payload` and `cut_frame` make them wrong.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

from coterie.actors.simulation.hostile.odd_values import OddValues
from coterie.runtime.hosts.host import Host
from coterie.runtime.remote import rows
from coterie.runtime.remote.rows import Row
from coterie.runtime.transport import Peer, PeerRole, SystemIdentity, Transport
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.descriptor_budget import DescriptorReport
from coterie.runtime.transport.framing.items import ItemPacker, join
from coterie.runtime.transport.handshake.shared_key import Auth

__all__ = ["HostilePeer"]

BULK: Final = 1
"""The lane class of the connection for bulk items."""

PROBE: Final = 2**40
"""The first number of our own look-ups; the drawn rows use others."""


class HostilePeer:
    """One peer of one node (TransportEvents).

    Args:
        host: the outside world.
        name: the name that it takes.
        cluster: of the node.
        values: learns from what the node sends.
        role: the role that it claims.
        auth: its key; None if the cluster has none.
    """

    def __init__(
        self,
        host: Host,
        name: str,
        cluster: str,
        values: OddValues,
        *,
        role: PeerRole = PeerRole.CLIENT,
        auth: Auth | None = None,
    ) -> None:
        identity = SystemIdentity(cluster, "hostile", values.rng.getrandbits(63), role)
        object.__setattr__(identity, "node", name)  # also a name that an identity of our own refuses
        self._transport = Transport(host, identity, self, auth=auth)
        self._packer = ItemPacker()
        self._values = values
        self._linked = asyncio.Event()
        self._probes: dict[int, asyncio.Future[bool]] = {}
        self._next_probe = PROBE
        self.links_up = 0
        """How often it was linked."""
        self.links_down = 0
        """How often a link ended."""
        self.refusals = 0
        """How often its handshake was refused."""
        self.answers: list[object] = []
        """The latest values of REPLY rows."""

    @property
    def rng(self) -> random.Random:
        """The source of all draws."""
        return self._values.rng

    @property
    def node(self) -> str | None:
        """The name of the linked node; None without a link."""
        return next((peer.node for peer in self._transport.peers()), None)

    async def link(self, host: str, port: int, within_s: float) -> bool:
        """Dial a node, or dial it again; return whether there is a link within that time."""
        self._transport.dial(host, port)
        try:
            async with asyncio.timeout(within_s):
                await self._linked.wait()
        except TimeoutError:
            return False
        return True

    def send_rows(self, lane_class: int, drawn: Sequence[Row]) -> None:
        """Write rows as one frame, whatever they hold. No effect without a link."""
        self.send_payload(lane_class, self.payload(drawn))

    def payload(self, drawn: Sequence[Row]) -> bytes:
        """Return the payload of a frame with these rows."""
        return join([self._packer.pack_short(row) for row in drawn])

    def send_payload(self, lane_class: int, payload: bytes) -> None:
        """Write a frame around any payload. No effect without a link."""
        connection = self._connection(lane_class)
        if connection is not None:
            connection.send_payload(payload)

    def cut_frame(self, lane_class: int, payload: bytes) -> None:
        """Write the first part of a frame, and break the link. No effect without a link."""
        connection = self._connection(lane_class)
        if connection is not None and connection._transport is not None:  # noqa: SLF001 (half a frame has no API)
            whole = connection._encoder.encode(payload)  # noqa: SLF001
            connection._transport.write(whole[: self.rng.randrange(1, len(whole))])  # noqa: SLF001
            connection.close()

    async def probe(self, within_s: float) -> bool:
        """Ask the node on both connections, and return whether it has answered: it has then taken all rows before."""
        if self.node is None:
            return False
        numbers = range(self._next_probe, self._next_probe + 2)
        self._next_probe += 2
        loop = asyncio.get_running_loop()
        for lane_class, number in enumerate(numbers):
            self._probes[number] = loop.create_future()
            self.send_rows(lane_class, [(rows.LOOKUP, number, "probe", ())])
        answered, waiting = await asyncio.wait([self._probes[number] for number in numbers], timeout=within_s)
        for number in numbers:
            del self._probes[number]
        return not waiting and all(each.result() for each in answered)

    async def close(self) -> None:
        """End all links and dialling."""
        await self._transport.close()

    def _connection(self, lane_class: int) -> Connection | None:
        node = self.node
        link = None if node is None else self._transport._peers.link_to(node)  # noqa: SLF001 (raw frames have no API)
        return None if link is None else (link.bulk if lane_class == BULK else link.control)

    # --- the transport's events -------------------------------------------------------------------------------------

    def link_up(self, peer: Peer) -> None:
        """Note the link, and what the node says about itself."""
        self.links_up += 1
        self._values.learn((peer.node, peer.incarnation, peer.store))
        self._linked.set()

    def link_down(self, peer: Peer, reason: str) -> None:
        """Note the end of a link."""
        self.links_down += 1
        self._linked.clear()
        for number in self._probes:
            self._settle(number, is_answered=False)

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Ignore it."""

    def delivered(self, peer: Peer, lane_class: int, items: list[Any]) -> None:
        """Learn from what the node sends, and note answers to probes."""
        for row in items:
            if row[0] in (rows.REPLY, rows.ERROR) and row[1] in self._probes:
                self._settle(row[1], is_answered=True)
                continue
            self._values.learn(row)
            if row[0] == rows.REPLY:
                self.answers = [*self.answers[-10:], row[2]]

    def descriptors_changed(self, report: DescriptorReport) -> None:
        """Ignore it: it does not listen."""

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        """Count a refused handshake."""
        self.refusals += 1

    def _settle(self, number: int, *, is_answered: bool) -> None:
        if not self._probes[number].done():
            self._probes[number].set_result(is_answered)
