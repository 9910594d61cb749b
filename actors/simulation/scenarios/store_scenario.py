"""The scenario `store`: one keeper of records on each node, before the judge of log stores.

A keeper writes all the time: registers, truncations, records of all sizes. What each of its lives recovers must be what
some number of its writes leaves, at least all the acknowledged ones. Nothing above the store could hide a mistake.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Final

from coterie.actors.node import Node
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.checking.storage_checker import Contents, StorageJudge
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.simulation.random_durations import Duration
from coterie.runtime.messages.message import message
from coterie.runtime.storage.log_store import LogStore, Record, Write

__all__ = ["STORE", "Keeper"]

GROUP: Final = "records"
BEAT_S: Final = 0.05
DISK: Final = Duration(0.05, tail=0.02, tail_s=0.2)
"""A slow disk, so that many crashes fall into the middle of a call."""

MOST_RECORDS: Final = 100
LARGEST_BYTES: Final = 2000
EVERYTHING_BYTES: Final = 1 << 30
FINISH_S: Final = 60.0
FEWEST_ACKNOWLEDGED: Final = 500

NO_STORE: Final = (
    "delay", "loss", "duplicate", "reorder", "reset", "reset_mid_frame", "half_open", "corrupt", "bandwidth",
    "partition", "clog", "flap", "stale_disk", "wiped_disk", "raise_in_handler", "cancel_handler", "poison_message",
)  # fmt: skip
"""Faults of networks and handlers, and disks that forget everything: that is for others to notice."""


@message(name="simulation.Keep")
class Keep:
    """It is time to write; never crosses the wire."""


class Books:
    """One judge for each node, and how much was acknowledged."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.acknowledged = 0
        self._judge_by_node: dict[str, StorageJudge] = {}

    def judge(self, node: str) -> StorageJudge:
        """Return the judge of a node's store, over all its lives."""
        return self._judge_by_node.setdefault(node, StorageJudge(node, self.sim.bench))

    def write(self, store: LogStore, node: str, write: Write) -> None:
        """Write, and tell the judge when it was asked for and when it was acknowledged."""
        judge = self.judge(node)

        def acknowledged() -> None:
            self.acknowledged += 1
            self.sim.judge(judge.acknowledged)

        self.sim.judge(judge.submitted, write)
        store.write(write, acknowledged)


class Keeper(Actor[Keep]):
    """Reads what is there, then writes without end."""

    def __init__(self, books: Books, node: Node) -> None:
        self._books = books
        self._store = node.store
        self._node = node.name
        self._last = 0

    async def on_start(self) -> None:
        """Tell the judge what is recovered, and begin."""
        self._books.sim.node(self._node).life.host.executor.disk = DISK
        state = await self._store.state(GROUP)
        records = await self._store.read(GROUP, state.first, state.last, EVERYTHING_BYTES)
        self._last = state.last
        found = {GROUP: Contents(state.register, tuple(records), state.first)}
        self._books.sim.judge(self._books.judge(self._node).recovered, found)
        self.context.every(BEAT_S, Keep())

    def receive(self, msg: Keep, /) -> None:
        """Write a little."""
        for _ in range(self.context.random.choice((1, 1, 3))):
            write = _draw(self.context.random, self._last)
            self._last = write.first - 1 + len(write.records)
            self._books.write(self._store, self._node, write)


def _draw(rng: random.Random, last: int) -> Write:
    register = rng.randbytes(rng.randint(1, 100)) if rng.random() < 0.3 else None
    cut: int | None = None
    if last > MOST_RECORDS:
        cut = rng.randint(1, last)
    elif last and rng.random() < 0.1:
        cut = rng.randint(max(1, last - 10), last)
    first = last + 1 if cut is None else cut
    records = [
        Record(rng.randint(1, 9), rng.randbytes(rng.randint(0, LARGEST_BYTES))) for _ in range(rng.randint(1, 4))
    ]
    return Write(GROUP, register=register, truncate_from=cut, first=first, records=records)


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which has its plan."""
    if sim.plan is None:
        raise ValueError("this scenario takes its nodes from the plan: Simulation(plan=…)")
    books = Books(sim)
    topology = Topology("store", nodes=sim.plan.nodes)
    topology.actor("keeper", partial(Keeper, books))
    sim.deploy(topology)
    await sim.until(lambda: sim.injector.is_over, within=sim.plan.ends_at_s + FINISH_S)
    await sim.until(lambda: all(node.is_up or node.is_gone for node in sim.nodes), within=FINISH_S)
    if books.acknowledged < FEWEST_ACKNOWLEDGED:
        raise AssertionError(f"only {books.acknowledged} writes were acknowledged")


STORE = SystemScenario("store", run, nodes=3, fewest_operations=0, leaves_out=NO_STORE)
"""`coterie sim store`. Without faults of networks."""
