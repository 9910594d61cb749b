"""Hostile source: sends rows to a node as an authenticated client, or as a node that is no member, and prints progress.

    python -m benchmarks.fuzzing.hostile_source client 1 1000000 n1=127.0.0.1:7401 n2=127.0.0.1:7402 …

The rows are those of the simulator's profile `byzantine-client`. They go to the nodes in turn; a frame has up to a
thousand rows, and at most one frame of each node is on its way. Now and then a link is broken.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Final

import uvloop

from benchmarks.fuzzing.fuzz_keys import CLUSTER, HOSTILE, STORE, client_auth, node_auth
from coterie.actors.simulation.hostile.hostile_campaign import AttackedNode, HostileCampaign
from coterie.actors.simulation.hostile.hostile_frames import begun_chunk, hostile_payload
from coterie.actors.simulation.hostile.hostile_peer import HostilePeer
from coterie.protocols.faults.kinds.fault_kinds import Attack
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.transport import PeerRole

__all__ = ["main"]

ROW_ATTACKS: Final = (Attack.ROWS, Attack.MESSAGES, Attack.LETTERS, Attack.COMMANDS, Attack.REFS)
DRAWS_PER_FRAME_MAX: Final = 600
FRAMES_PER_BREAK: Final = 100
ITEMS_MAX: Final = 300_000
"""The most tiny items in one frame: about a megabyte."""

PROBE_TIMEOUT_S: Final = 20.0
LINK_TIMEOUT_S: Final = 20.0
REPORT_EVERY_ROWS: Final = 1000


class RowSource:
    """Sends rows to one node.

    Args:
        target: the attacked node.
        seed: of all draws.
        name: of the peer.
    """

    def __init__(self, target: AttackedNode, seed: str, name: str) -> None:
        self._target = target
        self._rng = random.Random(seed)
        self._campaign = HostileCampaign(RealHost(), target, Attack.ROWS, self._rng.getrandbits(32), name, lambda: None)
        self._peer = self._campaign.peer(name)
        self.rows = 0
        """How many rows the node has taken."""
        self.links = 0
        """How many links were broken."""

    async def send_frame(self) -> None:
        """Send one frame of rows on one connection, and wait until the node has taken it. TimeoutError: no link."""
        peer = self._peer
        if not await peer.link(*self._target.address, LINK_TIMEOUT_S):
            raise TimeoutError(
                f"no link with {self._target.address} within {LINK_TIMEOUT_S} s: {peer.refusals} refusals"
            )
        attack = self._rng.choice(ROW_ATTACKS)
        by_lane: tuple[list[tuple[object, ...]], ...] = ([], [])
        for _ in range(self._rng.randrange(1, DRAWS_PER_FRAME_MAX)):
            lane_class, drawn = self._campaign.rows.draw(attack)
            by_lane[lane_class].extend(drawn)
        for lane_class, drawn in enumerate(by_lane):
            peer.send_rows(lane_class, drawn)
        if self._rng.randrange(FRAMES_PER_BREAK) == 0:
            self._break_link(peer, peer.payload(by_lane[1][:1] or [(1.5,)]))
        if await peer.probe(PROBE_TIMEOUT_S):
            self.rows += sum(map(len, by_lane))
        for answer in peer.answers:
            self._campaign.forged.answered(answer)

    def _break_link(self, peer: HostilePeer, payload: bytes) -> None:
        self.links += 1
        lane_class = self._rng.randrange(2)
        peer.send_payload(lane_class, begun_chunk(self._rng, lane_class))
        if self._rng.random() < 0.5:
            peer.cut_frame(lane_class, payload)
        else:
            peer.send_payload(lane_class, hostile_payload(self._rng, payload, items_max=ITEMS_MAX))

    async def close(self) -> None:
        """End the link."""
        await self._peer.close()


async def attack(mode: str, seed: int, rows: int, addresses: dict[str, str]) -> None:
    """Send rows until the nodes have taken `rows` of them together; print the number now and then."""
    is_client = mode == "client"
    sources = []
    for number, address in enumerate(addresses.values()):
        host, _, port = address.rpartition(":")
        auth = client_auth(HOSTILE) if is_client else node_auth()
        role = PeerRole.CLIENT if is_client else PeerRole.NODE
        target = AttackedNode(CLUSTER, (host, int(port)), tuple(addresses), [STORE], auth=auth, role=role)
        sources.append(RowSource(target, f"{seed}/{number}", f"{HOSTILE}+{number}" if is_client else f"n9{number}"))
    print("ready", flush=True)
    printed = 0
    while (sent := sum(source.rows for source in sources)) < rows:
        if sent - printed >= REPORT_EVERY_ROWS:
            print(sent, flush=True)
            printed = sent
        await asyncio.gather(*(source.send_frame() for source in sources))
    for source in sources:
        await source.close()
    print(f"end {sent} {sum(source.links for source in sources)}", flush=True)


def main() -> None:
    """Read the arguments and run."""
    mode, seed, rows, *places = sys.argv[1:]
    addresses = dict(place.split("=", 1) for place in places)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(attack(mode, int(seed), int(rows), addresses))


if __name__ == "__main__":
    main()
