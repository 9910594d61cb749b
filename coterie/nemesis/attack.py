"""`Attack`: runs one nemesis attack: starts cluster, proxies and clients, injects the faults, checks the histories."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import Recordings
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.simulation.scenarios.list_store import STORE
from coterie.actors.simulation.scenarios.raft_kv import KeyValueWorkload
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.cluster_processes import ClusterProcesses, NodeEnded
from coterie.errors import CoterieError
from coterie.nemesis.attack_checks import check_histories, undecided_groups
from coterie.nemesis.attacked_topology import NODES_VARIABLE, TOPOLOGY_PATH, topology_on
from coterie.nemesis.chaos_proxies import ChaosProxies
from coterie.nemesis.process_faults import WipedNodeRan
from coterie.nemesis.process_injector import ProcessInjector, check_plan
from coterie.nemesis.recorded_clients import RecordedClients
from coterie.nemesis.role_observer import RoleObserver
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.simulation.scenarios.run_result import RunResult
from coterie.runtime.hosts.real_host import RealHost

__all__ = ["OPERATIONS_MIN", "Attack", "AttackOptions"]

OPERATIONS_MIN: Final = 100
"""A run with fewer answered operations is void."""

EXTRA_WORK_S: Final = 20.0
"""How long clients may continue after a plan that was too short for `OPERATIONS_MIN`."""

START_TIMEOUT_S: Final = 60.0
RECOVERY_TIMEOUT_S: Final = 30.0
"""Time limit for each step of the recovery after the plan; killed processes must restart in it."""

CATCH_UP_TIMEOUT_S: Final = 60.0
WATCHDOG_S: Final = 300.0
"""Time limit for a run, beyond the duration of its plan."""

INVARIANT_BY_ERROR: Final[Mapping[type[CoterieError], str]] = {
    NodeEnded: "nemesis.node_ended",
    WipedNodeRan: "nemesis.wiped_node_ran",
}

READER: Final = "reader"
POLL_INTERVAL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class AttackOptions:
    """The options of a run.

    Attributes:
        plan: the fault plan.
        folder: an existing directory, for the nodes' data and logs.
        seed: seed of the clients' choices and the link conditions.
        clients: the number of concurrent clients, at least 1.
        think_s: the longest pause of a client before an operation (s).
        skipped: the number of faults of each kind that were left out of the plan as unsupported by real processes.
    """

    plan: FaultPlan
    folder: Path
    seed: int = 0
    clients: int = 10
    think_s: float = 0.1
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.clients < 1:
            raise ValueError(f"clients={self.clients}: at least 1 is needed")


class Attack:
    """One nemesis run. Its state can be read at any time, also after it was cancelled.

    Raises:
        PlanError: real processes do not support a fault of the plan, or it exceeds the fault budget.
    """

    def __init__(self, options: AttackOptions) -> None:
        check_plan(options.plan)
        self.options = options
        """The options of the run."""
        self.recordings = Recordings()
        """The clients' operations and results."""
        self._clock = RealHost().clock
        self._began_s = self._clock.monotonic()
        self.run_log = RunLog(self.now, None, keeps_all=True)
        """The faults and leader changes of the cluster."""
        self._phase = "waiting for a leader"
        self._injector: ProcessInjector | None = None

    def now(self) -> float:
        """Return the time since the construction (s)."""
        return self._clock.monotonic() - self._began_s

    @property
    def fired(self) -> dict[str, int]:
        """How often each kind of fault has taken effect."""
        return {} if self._injector is None else dict(sorted(self._injector.fault_counts.count_by_kind.items()))

    def describe(self) -> str:
        """Return the state of the run, in one line."""
        fired = ", ".join(f"{name} {count}" for name, count in self.fired.items()) or "nothing yet"
        return f"{self.now():6.1f} s  {self._phase}; {self.recordings.answered} operations; fired: {fired}"

    async def run(self) -> RunResult:
        """Run from start to end; return the result.

        Raises:
            OSError: the system refused another process, socket or file.
        """
        violation: Violation | None = None
        try:
            async with asyncio.timeout(self.options.plan.ends_at_s + WATCHDOG_S):
                await self._with_cluster()
        except Violation as broken:
            violation = broken
        except CoterieError as error:  # a node ended, a wiped one did not, or a client got an unexpected error
            violation = self._violation(
                INVARIANT_BY_ERROR.get(type(error), "nemesis.unexpected_error"), f"{type(error).__name__}: {error}"
            )
        except TimeoutError:
            violation = self._violation("nemesis.watchdog", f"still {self._phase} after {self.now():.0f} s")
        return self._result(check_histories(self.recordings, now_s=self.now()) or violation)

    async def _with_cluster(self) -> None:
        options, nodes = self.options, self.options.plan.nodes
        data = options.folder / "nodes"
        data.mkdir()
        clients = [f"c{number}" for number in range(1, options.clients + 1)]
        rng = random.Random(f"{options.seed}/weather")
        proxies = ChaosProxies(nodes, [*clients, READER], rng=rng, clock=self._clock)
        cluster = ClusterProcesses(
            TOPOLOGY_PATH,
            topology_on(nodes),
            str(data),
            route=proxies.address,
            environment={NODES_VARIABLE: ",".join(nodes)},
        )
        recorded = RecordedClients(
            clients,
            lambda name: [proxies.address(name, node) for node in nodes],
            seed=options.seed,
            think_s=options.think_s,
            recordings=self.recordings,
            now=self.now,
        )
        proxies.listens_at = cluster.address
        async with proxies, cluster, recorded:
            await cluster.guard(self._with_nodes(cluster, proxies, clients, recorded))

    async def _with_nodes(
        self, cluster: ClusterProcesses, proxies: ChaosProxies, clients: list[str], recorded: RecordedClients
    ) -> None:
        """Wait for the group; run the plan while clients work; recover."""
        # Nodes have the addresses of the proxies for each other: these are not for clients.
        async with Client(cluster.addresses, name="observer", connect_timeout_s=0.0, learn_addresses=False) as access:
            await access.linked(START_TIMEOUT_S)
            group = access.group(STORE)
            group.on_leader(lambda news: self.run_log.record(news.leader, "leads", f"term {news.term}"))
            await group.open_session(timeout_s=START_TIMEOUT_S)
            observer, plan = RoleObserver(group), self.options.plan
            self._injector = ProcessInjector(
                plan, cluster, proxies, clients, observer, self._clock, self.run_log.record
            )
            self._phase = "under attack"
            recorded.start()
            await recorded.guard(self._injector.run_plan())
            if is_live(plan):
                await recorded.guard(self._wait_for_operations())
                await self._recover(observer, recorded)

    async def _wait_for_operations(self) -> None:
        """Let the clients continue after a short plan until `OPERATIONS_MIN` are answered, for 20 s at most."""
        self._phase = "waiting for more operations"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXTRA_WORK_S):
                while self.recordings.answered < OPERATIONS_MIN:  # noqa: ASYNC110 (there is no event per operation)
                    await asyncio.sleep(POLL_INTERVAL_S)

    async def _recover(self, observer: RoleObserver, recorded: RecordedClients) -> None:
        """Let the clients finish, read everything back, and wait until all nodes have caught up."""
        await self._within(RECOVERY_TIMEOUT_S, "waiting for the clients", recorded.finish())
        await self._within(
            RECOVERY_TIMEOUT_S, "reading everything back", recorded.run_client(0, READER, _read_everything)
        )
        await self._within(
            CATCH_UP_TIMEOUT_S, "waiting for every node to catch up", self._wait_until_caught_up(observer)
        )

    async def _within(self, limit_s: float, phase: str, work: Awaitable[object]) -> None:
        self._phase = phase
        try:
            async with asyncio.timeout(limit_s):
                await work
        except TimeoutError:
            raise self._violation("nemesis.liveness", f"still {phase} {limit_s:g} s after everything healed") from None

    async def _wait_until_caught_up(self, observer: RoleObserver) -> None:
        """Wait until every node that has its data has applied all committed entries."""
        plan, injector = self.options.plan, self._injector
        awaited = [node for node in plan.nodes if injector is None or not injector.is_gone(node)]
        while True:
            statuses = await observer.statuses()
            goal = max((status.commit_index for status in statuses), default=0)
            there = {status.node for status in statuses if status.applied_index >= goal}
            if all(node in there for node in awaited):
                return
            await asyncio.sleep(POLL_INTERVAL_S)

    def _violation(self, invariant: str, detail: str) -> Violation:
        return Violation(invariant, detail, node=None, step=self.recordings.answered, time_s=self.now())

    def _result(self, violation: Violation | None) -> RunResult:
        plan, answered = self.options.plan, self.recordings.answered
        void = f"only {answered} operations were answered" if answered < OPERATIONS_MIN and is_live(plan) else None
        if unchecked := undecided_groups(self.recordings):
            void = f"the checker's budget was too small for the history of {', '.join(unchecked)}"
        return RunResult(
            seed=self.options.seed,
            violation=violation,
            void=void,
            operations=answered,
            events=len(self.run_log.lines),
            simulated_s=self.now(),
            planned=tuple(plan.kinds()) if is_live(plan) else (),
            fired=self.fired,
            digest=None,
            tail=() if violation is None else self.run_log.tail,
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            trace=self.run_log.lines,
        )


async def _read_everything(client: SimulatedClient) -> None:
    await KeyValueWorkload(client).read_everything(lambda _: None)
