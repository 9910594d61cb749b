"""Demo topology: declares the demo's cluster: a replicated key-value store, workers, and a failure detector.

coterie run coterie.demo.demo_topology:three_nodes --node n1 --listen … --peer n2=… --peer n3=… --data …
"""

from __future__ import annotations

from functools import partial
from typing import Final

from coterie.actors.groups.client_session import Identity
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.cluster_processes import ClusterProcesses
from coterie.demo.identifier_counts import SkippedFile, count_identifiers
from coterie.demo.store_keys import batch_of
from coterie.errors import CommandError
from coterie.protocols.detection.swim.swim import Swim
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

__all__ = ["POOL", "STORE", "CountFile", "Counted", "NotCounted", "Worker", "demo_cluster", "five_nodes", "three_nodes"]

STORE: Final = "store"
POOL: Final = "workers"
WORKERS_PER_NODE: Final = 2


@message(name="demo.Counted")
class Counted:
    """The file's counts are in the store, once. `skipped`: why it counts nothing, if so."""

    identifiers: int
    skipped: str | None


@message(name="demo.NotCounted")
class NotCounted:
    """The commit did not end with a reply: the caller should ask again, under the same identity."""

    reason: str


@message(name="demo.CountFile", speaker=Speaker.CLIENT)
class CountFile(Ask[Counted | NotCounted]):
    """Count the identifiers of `source` and add them to the run's totals under `identity`, with the file's marker.

    `read_error`: why the file could not be read, if so; it counts nothing then.
    """

    run: str
    file: bytes
    source: bytes
    read_error: str | None
    identity: Identity


class Worker(Actor[CountFile]):
    """Counts one file at a time, in a thread, and commits the counts."""

    def __init__(self, node: Node) -> None:
        self._store = node.group(STORE)

    async def receive(self, msg: CountFile, /) -> Counted | NotCounted:
        """Count, commit, answer."""
        if msg.read_error is None:
            counted = await self.context.run_blocking(partial(count_identifiers, msg.source))
        else:
            counted = SkippedFile(msg.read_error)
        try:
            await self._store.execute_as(msg.identity, batch_of(msg.run, msg.file, counted))
        except CommandError as error:
            return NotCounted(str(error))
        if isinstance(counted, SkippedFile):
            return Counted(0, counted.reason)
        return Counted(len(counted.counts), None)


def three_nodes() -> Topology:
    """Return the cluster of three nodes."""
    return _cluster(3)


def five_nodes() -> Topology:
    """Return the cluster of five nodes."""
    return _cluster(5)


def demo_cluster(size: int, data: str) -> ClusterProcesses:
    """Return the processes of the cluster of three or five, their data and logs under `data`."""
    topology = three_nodes if size == 3 else five_nodes
    return ClusterProcesses(f"{__name__}:{topology.__name__}", topology(), data)


def _cluster(size: int) -> Topology:
    topology = Topology(f"demo-{size}", [f"n{number}" for number in range(1, size + 1)])
    topology.raft(STORE, machine=KeyValue)
    topology.pool(POOL, Worker, per_node=WORKERS_PER_NODE)
    topology.detector(Swim.local())
    return topology
