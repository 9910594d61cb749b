"""Scenario `raft-kv`: runs ten clients of a key-value store replicated with Raft under faults; checks client histories.

Five nodes, each a process with transport, `SegmentedLog` and `RaftActor`; the seed decides whether a majority, weights
or a grid are a quorum. Ten clients get, put, delete, compare and swap, and append to lists that show the order of all
appends. When the plan has ended there must be a leader and readable data within ten election timeouts, and then all
replicas must become equal.

In most runs in which a majority is a quorum, an operator changes the members meanwhile, and one or two more nodes wait
to join (`MemberOperator`). At the end the last change is made or refused, every member has everything, and every other
node says that it is none.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from coterie.actors.simulation.scenarios.list_store import STORE, Append, ListStore, ReadList
from coterie.actors.simulation.scenarios.members.member_operator import MemberOperator, are_settled
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CommandError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import AppendList
from coterie.protocols.checking.liveness_checker import LivenessChecker
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.scenarios.random_quorums import draw_quorum

__all__ = ["LISTS", "RAFT_KV", "KeyValueWorkload", "list_key"]

LISTS: Final = "store.lists"
CLIENTS: Final = 10
ROUNDS: Final = 100
THINK_S: Final = 0.75
KEYS: Final = 8
LIST_KEYS: Final = 2
ANYWHERE_PROBABILITY: Final = 0.5
"""How often a list is read at any node instead of at the leader."""

CHANGING: Final = 0.8
"""How often the members change, if a majority is a quorum."""

SPARES: Final = 2
CONVERGE_S: Final = 30.0
FINISH_S: Final = 120.0
POLL_INTERVAL_S: Final = 0.05


class KeyValueWorkload:
    """The workload of one client: random operations, with a pause (up to `think_s`) before each of `rounds` rounds."""

    def __init__(self, client: SimulatedClient, *, rounds: int = ROUNDS, think_s: float = THINK_S) -> None:
        self._client = client
        self._rounds = rounds
        self._think_s = think_s
        self._store = client.key_value(STORE)
        self._lists = client.recorder(LISTS, AppendList())
        self._group = client.access.group(STORE)

    async def run(self) -> None:
        """Do all rounds; a failed operation is recorded, and the next round follows."""
        for at in self._client.rounds(self._rounds):
            await asyncio.sleep(self._think_s * self._client.random.random())
            with contextlib.suppress(CommandError):
                await self._round(self._client.number * 1_000_000 + at)

    async def _round(self, unique: int) -> None:
        rng = self._client.random
        key, value = b"k%d" % rng.randrange(KEYS), b"%d" % unique
        chance = rng.random()
        if chance < 0.25:
            await self._store.get(key)
        elif chance < 0.5:
            await self._store.put(key, value)
        elif chance < 0.55:
            await self._store.delete(key)
        elif chance < 0.7:
            await self._store.compare_and_swap(key, await self._store.get(key), value)
        elif chance < 0.85:
            await self.append(list_key(rng.randrange(LIST_KEYS)), unique)
        else:
            await self.read_list(list_key(rng.randrange(LIST_KEYS)))

    async def append(self, key: bytes, item: int) -> None:
        """Append `item` to the list at `key`."""
        await self._lists.record(("append", item), self._group.execute(Append(key, item)), key=key)

    async def read_list(self, key: bytes) -> tuple[int, ...]:
        """Read the list at `key`, at the leader or at any node."""
        is_anywhere = self._client.random.random() < ANYWHERE_PROBABILITY
        return await self._lists.record(("read",), self._group.read(ReadList(key), anywhere=is_anywhere), key=key)

    async def read_everything(self, read: Callable[[bytes], None]) -> None:
        """Read every key, and retry until it is answered; call `read` with each answered key."""
        for at in range(KEYS):
            await _retry(partial(self._store.get, b"k%d" % at))
            read(b"k%d" % at)
        for at in range(LIST_KEYS):
            await _retry(partial(self.read_list, list_key(at)))
            read(list_key(at))


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    quorum = draw_quorum(stream(f"raft-kv/{sim.seed}", "quorum"), sim.plan)
    rng = stream(f"raft-kv/{sim.seed}", "members")
    is_changing = quorum is None and sim.plan.profile not in (None, "calm") and rng.random() < CHANGING
    spares = [f"spare{number}" for number in range(1, 1 + rng.randint(1, SPARES))] if is_changing else []
    topology = Topology("raft-kv", nodes=[*sim.plan.nodes, *spares])
    topology.raft(STORE, machine=ListStore, config=lambda voters: RaftConfig(voters, quorum), nodes=sim.plan.nodes)
    sim.deploy(topology, joining=spares)
    clients = [sim.clients(CLIENTS, lambda client: KeyValueWorkload(client).run())]
    if is_changing:
        clients.append(sim.clients(1, MemberOperator(sim, sim.plan, STORE, rng).run))
    await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
    if is_live(sim.plan):
        await _check_liveness(sim)
        await sim.until(lambda: all(each.is_done for each in clients), within_s=FINISH_S)
        await sim.until(partial(are_settled, sim, STORE), within_s=CONVERGE_S)
        await sim.until(partial(_has_converged, sim), within_s=CONVERGE_S)
    sim.assert_linearizable()


async def _check_liveness(sim: Simulation) -> None:
    """Check that a new client can read everything in the time that a group has after the end of all faults."""
    voters = tuple(NodeId(node.name) for node in sim.nodes)
    checker = LivenessChecker(sim.violation_context, election_timeout_s=RaftConfig(voters).election_timeout_max_s)
    for key in (*(b"k%d" % at for at in range(KEYS)), *(list_key(at) for at in range(LIST_KEYS))):
        checker.acknowledged(key)
    sim.check(checker.healed)
    reader = sim.clients(1, lambda client: KeyValueWorkload(client).read_everything(checker.read))
    while not (checker.is_satisfied and reader.is_done):
        if (leader := sim.leader_of(STORE)) is not None:
            checker.led(NodeId(leader))
        sim.check(checker.check)
        await asyncio.sleep(POLL_INTERVAL_S)


async def _has_converged(sim: Simulation) -> bool:
    """Return whether all remaining replicas hold and have applied the same entries."""
    checker = sim.deployment.raft_checkers[0]
    members = await (await sim.observer()).group(STORE).members()
    if members.leader is None:
        return False
    stores = [checker.replicas.of_store(member.store) for member in members if member.store is not None]
    nodes = [node.name for node in sim.nodes if node.is_up and not node.has_replaced_disk]
    return all(checker.has_converged(node) for node in nodes if checker.replicas.latest(node) in stores)


async def _retry(call: Callable[[], Awaitable[object]]) -> None:
    while True:
        with contextlib.suppress(CommandError):
            await call()
            return


def list_key(at: int) -> bytes:
    """Return the key of list number `at`."""
    return b"l%d" % at


RAFT_KV = SystemScenario("raft-kv", run, nodes=5, duration_s=40.0)
"""`coterie sim raft-kv`."""
