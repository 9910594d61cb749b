"""Scenario `store`: writes to the log store of each node while nodes crash, and checks the data recovered at restart.

The actor writes all the time: metadata, truncations, records of all sizes. Each start must recover the result of a
prefix of its writes, with at least all acknowledged ones. `StorageChecker` checks it. No layer above the store can
hide an error.
"""

from __future__ import annotations

import random
from functools import partial
from typing import Final

from coterie.actors.node import Node
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.storage_checker import Contents, StorageChecker
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.messages.message import message
from coterie.runtime.storage.log_store import LogStore, Record, Write

__all__ = ["STORE", "Writer"]

GROUP: Final = "records"
WRITE_INTERVAL_S: Final = 0.05
DISK_DURATION: Final = RandomDuration(0.05, tail=0.02, tail_s=0.2)
"""The duration of disk calls: slow, so that many crashes happen during a call."""

MAX_RECORDS: Final = 100
MAX_RECORD_BYTES: Final = 2000
READ_LIMIT_BYTES: Final = 1 << 30
FINISH_S: Final = 60.0
MIN_ACKNOWLEDGED: Final = 500

EXCLUDED_KINDS: Final = (
    "delay", "loss", "duplicate", "reorder", "reset", "reset_mid_frame", "half_open", "corrupt", "bandwidth",
    "partition", "clog", "flap", "stale_disk", "wiped_disk", "raise_in_handler", "cancel_handler", "poison_message",
)  # fmt: skip
"""Faults of networks and handlers, and replaced disks: other scenarios cover them."""


@message(name="simulation.Keep")
class Tick:
    """Timer message: time to write; never crosses the wire."""


class StoreCheckers:
    """One storage checker for each node, and the number of acknowledged writes."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.acknowledged = 0
        self._checker_by_node: dict[str, StorageChecker] = {}

    def checker(self, node: str) -> StorageChecker:
        """Return the checker of a node's store over all its process lives."""
        return self._checker_by_node.setdefault(node, StorageChecker(node, self.sim.violation_context))

    def not_accused(self, node: str, store: LogStore) -> None:
        """Check that a store which went through crashes only does not accuse itself of having gone back in time."""
        if store.lost_promises is not None:
            fail = self.sim.violation_context.fail
            self.sim.check(fail, "storage.accused_wrongly", NodeId(node), store.lost_promises)

    def write(self, store: LogStore, node: str, write: Write) -> None:
        """Write, and report when the write is submitted and when it is acknowledged."""
        checker = self.checker(node)

        def acknowledged() -> None:
            self.acknowledged += 1
            self.sim.check(checker.acknowledged)

        self.sim.check(checker.submitted, write)
        store.write(write, acknowledged)


class Writer(Actor[Tick]):
    """Reads the recovered records, then writes until the end of the run."""

    def __init__(self, checkers: StoreCheckers, node: Node) -> None:
        self._checkers = checkers
        self._store = node.store
        self._node = node.name
        self._last = 0

    async def on_start(self) -> None:
        """Report what is recovered, and start the timer."""
        self._checkers.sim.node(self._node).life.host.executor.disk = DISK_DURATION
        self._checkers.not_accused(self._node, self._store)
        state = await self._store.state(GROUP)
        records = await self._store.read(GROUP, state.first, state.last, READ_LIMIT_BYTES)
        self._last = state.last
        found = {GROUP: Contents(state.metadata, tuple(records), state.first)}
        self._checkers.sim.check(self._checkers.checker(self._node).recovered, found)
        self.context.every(WRITE_INTERVAL_S, Tick())

    def receive(self, msg: Tick, /) -> None:
        """Write one or three times."""
        for _ in range(self.context.random.choice((1, 1, 3))):
            write = _random_write(self.context.random, self._last)
            self._last = write.first - 1 + len(write.records)
            self._checkers.write(self._store, self._node, write)


def _random_write(rng: random.Random, last: int) -> Write:
    metadata = rng.randbytes(rng.randint(1, 100)) if rng.random() < 0.3 else None
    cut: int | None = None
    if last > MAX_RECORDS:
        cut = rng.randint(1, last)
    elif last and rng.random() < 0.1:
        cut = rng.randint(max(1, last - 10), last)
    first = last + 1 if cut is None else cut
    records = [
        Record(rng.randint(1, 9), rng.randbytes(rng.randint(0, MAX_RECORD_BYTES))) for _ in range(rng.randint(1, 4))
    ]
    return Write(GROUP, metadata=metadata, truncate_from=cut, first=first, records=records)


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    checkers = StoreCheckers(sim)
    topology = Topology("store", nodes=sim.plan.nodes)
    topology.actor("writer", partial(Writer, checkers))
    sim.deploy(topology)
    await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
    await sim.until(lambda: all(node.is_up or node.is_gone for node in sim.nodes), within_s=FINISH_S)
    if checkers.acknowledged < MIN_ACKNOWLEDGED:
        raise AssertionError(
            f"only {checkers.acknowledged} writes were acknowledged, at least {MIN_ACKNOWLEDGED} are required"
        )


STORE = SystemScenario("store", run, nodes=3, min_operations=0, excluded_kinds=EXCLUDED_KINDS)
"""`coterie sim store`. Without network faults."""
