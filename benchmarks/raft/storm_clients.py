"""Storm clients: dials the nodes of a cluster from many clients at once, for `connection_storm.py`.

    python -m benchmarks.raft.storm_clients 500 60 127.0.0.1:7401 127.0.0.1:7402 127.0.0.1:7403

Each client dials every node, keeps the links that it gets, and dials again with the usual back-off where it is refused.
"""

from __future__ import annotations

import asyncio
import random
import sys

import uvloop

from benchmarks.raft.raft_cluster import CLUSTER
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.real_resources import raise_descriptor_limit
from coterie.runtime.transport import Peer, PeerRole, SystemIdentity, Transport
from coterie.runtime.transport.descriptor_budget import DescriptorReport

__all__ = ["main"]


class Counts:
    """Counts the events of all clients of this process (TransportEvents)."""

    def __init__(self) -> None:
        self.links = 0
        self.refusals = 0

    def link_up(self, peer: Peer) -> None:
        """Count a link."""
        self.links += 1

    def link_down(self, peer: Peer, reason: str) -> None:
        """Ignore it: the client dials again."""

    def node_lost(self, peer: Peer, reason: str) -> None:
        """Ignore it."""

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        """Ignore it: the nodes send nothing."""

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        """Count a refusal."""
        self.refusals += 1

    def descriptors_changed(self, report: DescriptorReport) -> None:
        """Ignore it: clients do not listen."""


async def storm(clients: int, seconds: float, addresses: list[str]) -> None:
    """Dial from `clients` clients for `seconds`, and print the number of links and refusals."""
    host, counts, rng = RealHost(), Counts(), random.Random()
    print("ready", flush=True)
    transports = []
    for number in range(clients):
        name = f"storm-{rng.getrandbits(64):016x}-{number}"
        identity = SystemIdentity(CLUSTER, name, rng.getrandbits(63), PeerRole.CLIENT)
        transport = Transport(host, identity, counts)
        transports.append(transport)
        for address in addresses:
            where, _, port = address.rpartition(":")
            transport.dial(where, int(port))
        if number % 20 == 0:
            await asyncio.sleep(0)
    await asyncio.sleep(seconds)
    print(f"links {counts.links} refusals {counts.refusals}", flush=True)


def main() -> None:
    """Read the arguments and run."""
    raise_descriptor_limit()
    clients, seconds, *addresses = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(storm(int(clients), float(seconds), addresses))


if __name__ == "__main__":
    main()
