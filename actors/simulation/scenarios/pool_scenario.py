"""Scenario `pools`: runs callers of a pool, and balancers over it, while nodes fail; checks what a pool promises.

Four clients with different policies ask the workers of four nodes, directly and through balancers on two nodes. Every
request must be answered with its own answer, or fail, in its time; one that may not be handled twice is handled at most
once; no client picks a node that has been dead for longer than `DEAD_BOUND_S`; and when nothing is pending any more,
every pick of every caller has been reported, once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final

from coterie.actors.node import Node
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_messages import Idempotent
from coterie.actors.pools.pool_reports import PoolCallers
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CoterieError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import (
    Hedging,
    LeastRequest,
    LoadReport,
    OutlierEjection,
    PeakEwma,
    Picker,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    Probe,
    RequestOutcome,
    ResourceWeights,
    RoundRobin,
    RoutingKey,
    Target,
)
from coterie.protocols.balancing.policy import uses_load_reports
from coterie.protocols.detection.swim.swim import Swim
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Ref

__all__ = ["POOLS", "Once", "PoolRecord", "Twice", "Worker"]

POLICIES: Final[Sequence[Policy]] = (
    RoundRobin(),
    Prequal(probe_timeout_s=0.05),
    OutlierEjection(PowerOfTwoChoices(PeakEwma())),
    ResourceWeights(),
)
CLIENTS: Final = len(POLICIES)
ROUNDS: Final = 150
THINK_S: Final = 0.2
TIMEOUT_S: Final = 3.0
LATE_S: Final = 0.5
DEAD_BOUND_S: Final = 8.0
"""A client notices a dead node by its silent link; a node by its detector, which is faster."""

WATCH_S: Final = 0.05
DRAIN_S: Final = 30.0
FINISH_S: Final = 120.0
MIN_ANSWERED: Final = 200

EXCLUDED_KINDS: Final = ("fsync_error", "disk_full", "short_write", "bit_rot", "slow_disk", "stale_disk", "wiped_disk")


@message(name="simulation.Once", speaker=Speaker.CLIENT)
class Once(Ask[int]):
    """A request that must not be handled twice; the answer is `number`."""

    number: int


@message(name="simulation.Twice", speaker=Speaker.CLIENT)
class Twice(Idempotent[int]):
    """A request that may be handled twice."""

    number: int


class PoolRecord:
    """What happened in a run: which requests were handled, and which nodes are dead."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.handled: Counter[int] = Counter()
        self.answered = 0
        self.picked = self.settled = 0
        self._dead_since: dict[str, float] = {}

    def fail(self, rule: str, node: str, detail: str) -> None:
        """End the run with a violation."""
        self.sim.check(lambda: self.sim.violation_context.fail(rule, NodeId(node), detail))

    async def watch_nodes(self) -> None:
        """Note when nodes die and start again."""
        while True:
            for node in self.sim.nodes:
                if not node.is_down:
                    self._dead_since.pop(node.name, None)
                else:
                    self._dead_since.setdefault(node.name, self.sim.now())
            await asyncio.sleep(WATCH_S)

    def pick(self, node: str) -> None:
        """Record that a client picks a target on a node, which must not be known dead."""
        self.picked += 1
        dead_s = self.sim.now() - self._dead_since.get(node, self.sim.now())
        if dead_s > DEAD_BOUND_S:
            self.fail("pool.dead_node_picked", node, f"it was picked {dead_s:.1f} s after it had died")

    def handle(self, number: int, node: str) -> None:
        """Record that a request that must not be handled twice is handled."""
        self.handled[number] += 1
        if self.handled[number] > 1:
            self.fail("pool.handled_once", node, f"request {number} was handled {self.handled[number]} times")


class Worker(Actor[Once | Twice]):
    """Answers after a while, and fails sometimes."""

    def __init__(self, record: PoolRecord, node: Node) -> None:
        self._record = record
        self._node = node

    async def receive(self, msg: Once | Twice, /) -> int:
        """Answer with the number of the request."""
        if isinstance(msg, Once):
            self._record.handle(msg.number, self._node.name)
        rng = self.context.random
        await asyncio.sleep(rng.choice((0.0, 0.01, 0.05, 0.5)))
        if rng.random() < 0.02:
            raise RuntimeError("a worker failed")
        return msg.number


class RecordedPolicy:
    """A policy whose picks and reports are recorded."""

    def __init__(self, policy: Policy, record: PoolRecord) -> None:
        self._policy = policy
        self._record = record
        self.uses_load_reports = uses_load_reports(policy)

    def make(self, rng: random.Random) -> Picker:
        """Return a picker of the policy, recorded."""
        return _RecordedPicker(self._policy.make(rng), self._record)


class _RecordedPicker(Picker):
    def __init__(self, picker: Picker, record: PoolRecord) -> None:
        self._picker = picker
        self._record = record
        self._node_by_key: dict[str, str] = {}
        self._open: Counter[str] = Counter()

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        staying = {target.key: target.node for target in targets}
        for key in [key for key in self._open if key not in staying]:
            self._record.settled += self._open.pop(key)  # what left is not reported to the policy
        self._node_by_key = staying
        self._picker.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        return self._picker.choose(now=now, key=key, exclude=exclude)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._open[target] += 1
        self._record.pick(self._node_by_key[target])
        return self._picker.picked(target, now=now)

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._open[target] -= 1
        self._record.settled += 1
        self._picker.settled(target, outcome, latency_s=latency_s, load=load, now=now)

    def recovered(self, target: str, *, now: float) -> None:
        self._picker.recovered(target, now=now)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        self._picker.probed(probe, load, now=now)

    def deadline(self) -> float | None:
        return self._picker.deadline()

    def tick(self, *, now: float) -> Sequence[Probe]:
        return self._picker.tick(now=now)

    def explain(self) -> str:
        return self._picker.explain()

    def states(self, *, now: float) -> Mapping[str, str]:
        return self._picker.states(now=now)


class PoolWorkload:
    """The workload of one client."""

    def __init__(self, record: PoolRecord, client: SimulatedClient) -> None:
        self._record = record
        self._client = client
        policy = RecordedPolicy(POLICIES[(client.number - 1) % CLIENTS], record)
        hedging = Hedging(after_s=0.3) if client.number % 2 else None
        self._pool = client.access.pool("workers", balance=policy, hedging=hedging)

    async def run(self) -> None:
        """Ask repeatedly; then wait until nothing is pending, and check that every pick was reported."""
        for at in self._client.rounds(ROUNDS):
            await asyncio.sleep(THINK_S * self._client.random.random())
            number = self._client.number * 10_000 + at
            began = self._record.sim.now()
            await self._ask(number)
            took_s = self._record.sim.now() - began
            if took_s > TIMEOUT_S + LATE_S:
                self._record.fail("pool.request_ends", self._client.name, f"request {number} took {took_s:.2f} s")
        await asyncio.sleep(TIMEOUT_S + LATE_S)  # an attempt that lost to a hedge may still run
        _check_settled(self._record, self._pool, self._client.name)

    async def _ask(self, number: int) -> None:
        try:
            answer = await self._request(number, self._client.random)
        except CoterieError:
            return
        self._record.answered += 1
        if answer != number:
            self._record.fail("pool.own_answer", self._client.name, f"request {number} was answered with {answer}")

    async def _request(self, number: int, rng: random.Random) -> int:
        chance = rng.random()
        if chance < 0.3:
            node = rng.choice(self._client.access.nodes or ["n1"])
            front: Ref[Once] = self._client.access.actor("front", node=node)
            return await front.ask(Once(number), timeout_s=TIMEOUT_S)
        if chance < 0.6:
            return await self._pool.ask(Once(number), timeout_s=TIMEOUT_S)
        attempt_s = rng.choice((None, 0.4))
        return await self._pool.ask(Twice(number), timeout_s=TIMEOUT_S, attempt_s=attempt_s)


def _check_settled(record: PoolRecord, pool: Pool, caller: str) -> None:
    for line in pool.report(1000).targets:
        if line.in_flight:
            record.fail("pool.picks_are_reported", caller, f"{line.in_flight} picks of {line.target} are open")


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    record = PoolRecord(sim)
    topology = Topology("pools", nodes=sim.plan.nodes)
    topology.detector(Swim.local())
    topology.pool("workers", partial(Worker, record), per_node=2, max_per_node=4)
    topology.balancer("front", LeastRequest(), over="workers", messages=[Once, Twice])
    sim.deploy(topology)
    watching = asyncio.create_task(record.watch_nodes())
    try:
        clients = sim.clients(CLIENTS, lambda client: PoolWorkload(record, client).run())
        await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
        await sim.until(lambda: clients.is_done, within_s=FINISH_S)
        await sim.until(lambda: all(node.is_up for node in sim.nodes), within_s=FINISH_S)
        await asyncio.sleep(DRAIN_S)
    finally:
        watching.cancel()
    for node in sim.nodes:
        for pool in node.system.extension(PoolCallers):
            _check_settled(record, pool, node.name)
    if record.picked != record.settled:
        record.fail("pool.picks_are_reported", "clients", f"{record.picked} picks, {record.settled} reports")
    if record.answered < MIN_ANSWERED:
        raise AssertionError(f"only {record.answered} requests were answered, at least {MIN_ANSWERED} are required")


POOLS = SystemScenario("pools", run, nodes=4, min_operations=0, excluded_kinds=EXCLUDED_KINDS)
"""`coterie sim pools`. Without disk faults: workers store nothing."""
