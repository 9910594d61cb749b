"""Random faults, many seeds: the recorders hold every transport to its promises while the network misbehaves."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from coterie.errors import NodeUnreachable, OutboundFull
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import TransportConfig

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual

NAMES = ("n1", "n2", "n3")
STEPS = 150
CONFIG = TransportConfig(
    frame_cap_bytes=8192, frame_soft_bytes=500, outbound_limit_bytes=20_000, write_buffer_bytes=2000
)


class Chaos:
    """Three nodes, a seeded hand that breaks things, and senders that never stop."""

    def __init__(self, world: World, seed: int) -> None:
        self.rng = random.Random(seed)
        self.world = world
        rng = self.rng
        # Small segments cut frames everywhere; small windows pause writers.
        world.network = VirtualNetwork(
            latency_s=lambda _source, _target: rng.uniform(0.0001, 0.02),
            window_bytes=rng.choice([700, 64 * 1024]),
            max_segment_bytes=rng.choice([13, 1000, 64 * 1024]),
        )
        self.alive: dict[str, Node] = {}
        self.ports: dict[str, int] = {}
        self.sent = 0

    async def start(self, name: str) -> None:
        node = await self.world.start(name, port=self.ports.get(name, 0), config=CONFIG)
        self.alive[name] = node
        self.ports[name] = node.address[1]

    def introduce(self, node: Node) -> None:
        for other, port in self.ports.items():
            if other != node.transport.identity.node:
                node.transport.add_peer(other, other, port)

    async def step(self) -> None:
        for sender in self.alive.values():
            for target in NAMES:
                self.send_some(sender, target)
        await self.break_something()
        await asyncio.sleep(self.rng.choice([0.0, 0.001, 0.05, 0.4, 2.0]))

    def send_some(self, sender: Node, target: str) -> None:
        me = sender.transport.identity
        for _ in range(self.rng.randrange(6) if target != me.node else 0):
            self.sent += 1
            lane = Lane(self.rng.randrange(3))
            item = (me.node, me.incarnation, int(lane == Lane.BULK), self.sent, b"x" * self.rng.randrange(200))
            try:
                sender.transport.send(target, lane, item)
            except (NodeUnreachable, OutboundFull):
                continue

    async def break_something(self) -> None:
        network, (one, other) = self.world.network, self.rng.sample(NAMES, 2)
        match self.rng.randrange(12):
            case 0:
                network.partition(one, other)
            case 1:
                network.block(one, other)
            case 2:
                network.reset(one, self.rng.choice([other, None]))
            case 3:
                network.freeze(one)
            case 4:
                await self.alive[one].transport.close()
                await self.start(one)
                self.introduce(self.alive[one])
            case 5 | 6 | 7:
                network.heal()
                for name in NAMES:
                    network.thaw(name)
            case _:
                pass


@pytest.mark.parametrize("seed", range(12))
async def test_promises_hold_under_random_faults(world: World, seed: int) -> None:
    chaos = Chaos(world, seed)
    for name in NAMES:
        await chaos.start(name)
    for node in chaos.alive.values():
        chaos.introduce(node)

    for _ in range(STEPS):
        await chaos.step()
    chaos.world.network.heal()
    for name in NAMES:
        chaos.world.network.thaw(name)
    await asyncio.sleep(30.0)

    # (The recorders have watched that links go up and down in turn and that nothing arrives outside of one.)
    for node in chaos.alive.values():
        assert {peer.node for peer in node.transport.peers()} == set(NAMES) - {node.transport.identity.node}
        assert node.transport.stats()["connections"] == 4
        assert node.transport.stats()["queued_bytes"] == 0
    received = [node.items for node in world.nodes]
    assert sum(map(len, received)) > 100
    for items in received:
        assert_ordered_and_once(items)
    assert sum(node.transport.stats()["broken_frames"] for node in world.nodes) == 0


def assert_ordered_and_once(items: list[object]) -> None:
    last: dict[object, int] = {}
    for item in items:
        assert isinstance(item, tuple)
        stream, number = item[:3], item[3]
        assert last.get(stream, 0) < number, f"{item[:4]} after {last[stream]}"
        last[stream] = number
