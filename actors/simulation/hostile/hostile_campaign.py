"""`HostileCampaign`: carries out one attack on one node, step after step, until it is cancelled.

link ─▶ a few rows or frames ─▶ pause ─▶ … ─▶ probe: has the node taken them? ─▶ `on_hit`
  ▲                                             │
  └── the node, or the attack, ended the link ──┘
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coterie.actors.simulation.hostile.forged_messages import ForgedMessages
from coterie.actors.simulation.hostile.hostile_frames import begun_chunk, hostile_payload
from coterie.actors.simulation.hostile.hostile_peer import HostilePeer
from coterie.actors.simulation.hostile.hostile_rows import HostileRows
from coterie.actors.simulation.hostile.known_messages import SYSTEM_PATHS
from coterie.actors.simulation.hostile.odd_values import OddValues
from coterie.protocols.faults.kinds.fault_kinds import Attack
from coterie.runtime.hosts.host import Host
from coterie.runtime.transport import PeerRole
from coterie.runtime.transport.handshake.shared_key import Auth

__all__ = ["AttackedNode", "HostileCampaign"]

STEP_S: Final = (0.003, 0.04)
STEPS_PER_PROBE: Final = 6
DRAWS_PER_STEP: Final = 6
LINK_TIMEOUT_S: Final = 0.5
PROBE_TIMEOUT_S: Final = 0.5
BREAK_TIMEOUT_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class AttackedNode:
    """What a hostile peer knows of the node that it attacks.

    Attributes:
        cluster: its cluster.
        address: where it listens: host and port.
        nodes: the names of all nodes of the cluster.
        paths: of its actors, a replicated group first.
        client_names: names that other clients have.
        identity_by_node: what real letters of a group carry, as far as it is known.
        auth: the key of the peer; None if the cluster has none.
        role: the role that the peer claims.
    """

    cluster: str
    address: tuple[str, int]
    nodes: Sequence[str]
    paths: Sequence[str]
    client_names: Sequence[str] = ()
    identity_by_node: Mapping[str, bytes] = field(default_factory=dict)
    auth: Auth | None = None
    role: PeerRole = PeerRole.CLIENT


class HostileCampaign:
    """One attack.

    Args:
        host: the outside world of the peer.
        node: the attacked node.
        attack: what is sent.
        seed: of all draws.
        name: of the peer.
        on_hit: is called whenever the node has taken what was sent, or has ended the link or refused it because of it.
    """

    def __init__(
        self, host: Host, node: AttackedNode, attack: Attack, seed: int, name: str, on_hit: Callable[[], object]
    ) -> None:
        self._host = host
        self._node = node
        self._attack = attack
        self._name = name
        self._on_hit = on_hit
        self._rng = random.Random(f"hostile/{seed}")
        self._paths = (*node.paths, *SYSTEM_PATHS)
        self.values = OddValues(self._rng, (*node.nodes, name), self._paths)
        """The source of all values; it keeps what was learned from one link to the next."""
        self.forged = ForgedMessages(self.values, name, node.identity_by_node)
        """The source of letters and commands."""
        self.rows = HostileRows(self.values, self.forged, self._paths)
        """The source of rows."""

    async def run(self) -> None:
        """Attack until cancelled."""
        if self._attack is Attack.NAMES:
            while True:
                await self._take_a_name()
                await self._pause()
        peer = self.peer(self._name)
        while True:
            if not await peer.link(*self._node.address, LINK_TIMEOUT_S):
                continue
            if self._attack is Attack.FRAMES:
                await self._break_a_link(peer)
            else:
                await self._send_some(peer)

    def peer(self, name: str) -> HostilePeer:
        """Return a new peer of that name, without a link."""
        node = self._node
        return HostilePeer(self._host, name, node.cluster, self.values, role=node.role, auth=node.auth)

    async def _send_some(self, peer: HostilePeer) -> None:
        for _ in range(STEPS_PER_PROBE):
            for _ in range(self._rng.randrange(1, DRAWS_PER_STEP)):
                peer.send_rows(*self.rows.draw(self._attack))
            await self._pause()
        if await peer.probe(PROBE_TIMEOUT_S):
            self._on_hit()
        for answer in peer.answers:
            self.forged.answered(answer)

    async def _break_a_link(self, peer: HostilePeer) -> None:
        """Send rows, begin an item, and then a payload or half a frame that ends the link."""
        before = peer.links_down
        for _ in range(STEPS_PER_PROBE):
            lane_class, drawn = self.rows.draw(self._rng.choice((Attack.ROWS, Attack.MESSAGES)))
            payload = peer.payload(drawn)
            match self._rng.randrange(4):
                case 0:
                    peer.send_payload(lane_class, begun_chunk(self._rng, lane_class))
                case 1:
                    peer.cut_frame(lane_class, payload)
                case 2:
                    peer.send_payload(lane_class, hostile_payload(self._rng, payload))
                case _:
                    peer.send_payload(lane_class, payload)
            await self._pause()
        if await peer.probe(BREAK_TIMEOUT_S) or peer.links_down > before:
            self._on_hit()

    async def _take_a_name(self) -> None:
        """Link under a name that is another's, or odd; send rows if the node admits it, and vanish."""
        rng, node = self._rng, self._node
        odd = ("x" * 128, "\x1b[2J", "\n", "..", "#node", rng.choice(node.nodes) + " ", rng.randbytes(4).hex())
        peer = self.peer(rng.choice((*odd, self._name, *node.nodes, *node.client_names)))
        is_linked = await peer.link(*node.address, LINK_TIMEOUT_S)
        for _ in range(DRAWS_PER_STEP if is_linked else 0):
            peer.send_rows(*self.rows.draw(rng.choice((Attack.ROWS, Attack.REFS, Attack.MESSAGES))))
        if (is_linked and await peer.probe(PROBE_TIMEOUT_S)) or peer.refusals:
            self._on_hit()
        await peer.close()

    async def _pause(self) -> None:
        await asyncio.sleep(self._rng.uniform(*STEP_S))
