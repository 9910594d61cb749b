"""A run from beginning to end: cluster, proxies, clients, plan; then quiet, everything read back, and the judges."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import Ledger
from coterie.actors.simulation.run_log import Story
from coterie.actors.simulation.scenarios.list_store import STORE
from coterie.actors.simulation.scenarios.raft_kv import Work
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.cluster_processes import Cluster, NodeEnded
from coterie.errors import CoterieError
from coterie.nemesis.attack_checks import judge, undecided
from coterie.nemesis.attacked_topology import NODES_VARIABLE, WHERE, store_on
from coterie.nemesis.chaos_proxies import Proxies
from coterie.nemesis.process_faults import WipedNodeRan
from coterie.nemesis.process_injector import Injector, check_plan
from coterie.nemesis.recorded_clients import Crowd
from coterie.nemesis.role_observer import Observer
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.simulation.scenarios.run_outcome import Verdict
from coterie.runtime.hosts.real_host import RealHost

__all__ = ["OPERATIONS_MIN", "Attack", "Options"]

OPERATIONS_MIN: Final = 100
"""A run with fewer answered operations proves nothing."""

ENOUGH_S: Final = 20.0
"""How long clients may go on after a plan that was too short for so many."""

START_TIMEOUT_S: Final = 60.0
RECOVERY_S: Final = 30.0
"""How long everything may take to be readable after the plan; processes that were just killed must start first."""

CATCH_UP_S: Final = 60.0
WATCHDOG_S: Final = 300.0
"""How much longer than its plan a run may take."""

INVARIANT_BY_ERROR: Final[Mapping[type[CoterieError], str]] = {
    NodeEnded: "nemesis.node_ended",
    WipedNodeRan: "nemesis.wiped_node_ran",
}

READER: Final = "reader"
LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is.

    Attributes:
        plan: what the cluster suffers.
        folder: an existing directory, for the nodes' data and logs.
        seed: for the clients' choices and the weather.
        clients: how many work at a time, at least 1.
        think_s: how long a client pauses before an operation, at most (s).
        skipped: how many faults of each kind were left out of the plan, since no real process can suffer them.
    """

    plan: Plan
    folder: Path
    seed: int = 0
    clients: int = 10
    think_s: float = 0.1
    skipped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.clients < 1:
            raise ValueError(f"clients={self.clients}: at least one must ask for something")


class Attack:
    """One run. What it has learned so far can be seen at any time, also after it was cancelled.

    Raises:
        PlanError: real processes cannot suffer this plan, or it goes beyond the fault budget.
    """

    def __init__(self, options: Options) -> None:
        check_plan(options.plan)
        self.options = options
        """What it is."""
        self.ledger = Ledger()
        """What the clients asked and saw."""
        self._clock = RealHost().clock
        self._began_s = self._clock.monotonic()
        self.story = Story(self.now, None, is_whole=True)
        """What happened to the cluster."""
        self._doing = "waiting for a leader"
        self._injector: Injector | None = None

    def now(self) -> float:
        """Return the time since the construction (s)."""
        return self._clock.monotonic() - self._began_s

    @property
    def fired(self) -> dict[str, int]:
        """How often each kind of fault has taken effect."""
        return {} if self._injector is None else dict(sorted(self._injector.firings.count_by_kind.items()))

    def describe(self) -> str:
        """Return where the run stands, in one line."""
        fired = ", ".join(f"{name} {count}" for name, count in self.fired.items()) or "nothing yet"
        return f"{self.now():6.1f} s  {self._doing}; {self.ledger.answered} operations; fired: {fired}"

    async def run(self) -> Verdict:
        """Do it all.

        Raises:
            OSError: the machine has no room for so many processes, sockets or files.
        """
        violation: Violation | None = None
        try:
            async with asyncio.timeout(self.options.plan.ends_at_s + WATCHDOG_S):
                await self._with_cluster()
        except Violation as broken:
            violation = broken
        except CoterieError as error:  # a node ended, a wiped one did not, a client met what it cannot expect
            violation = self._broken(
                INVARIANT_BY_ERROR.get(type(error), "nemesis.unexpected_error"), f"{type(error).__name__}: {error}"
            )
        except TimeoutError:
            violation = self._broken("nemesis.watchdog", f"still {self._doing} after {self.now():.0f} s")
        return self._verdict(judge(self.ledger, now_s=self.now()) or violation)

    async def _with_cluster(self) -> None:
        options, nodes = self.options, self.options.plan.nodes
        data = options.folder / "nodes"
        data.mkdir()
        clients = [f"c{number}" for number in range(1, options.clients + 1)]
        rng = random.Random(f"{options.seed}/weather")
        proxies = Proxies(nodes, [*clients, READER], rng=rng, clock=self._clock)
        cluster = Cluster(
            WHERE, store_on(nodes), str(data), route=proxies.address, environment={NODES_VARIABLE: ",".join(nodes)}
        )
        crowd = Crowd(
            clients,
            lambda name: [proxies.address(name, node) for node in nodes],
            seed=options.seed,
            think_s=options.think_s,
            ledger=self.ledger,
            now=self.now,
        )
        proxies.listens_at = cluster.address
        async with proxies, cluster, crowd:
            await cluster.guard(self._with_nodes(cluster, proxies, clients, crowd))

    async def _with_nodes(self, cluster: Cluster, proxies: Proxies, clients: list[str], crowd: Crowd) -> None:
        """Run the plan while clients work, once the group answers."""
        async with Client(cluster.addresses, name="observer", connect_timeout_s=START_TIMEOUT_S) as access:
            group = access.group(STORE)
            group.on_leader(lambda news: self.story.tell(news.leader, "leads", f"term {news.term}"))
            await group.open_session(timeout_s=START_TIMEOUT_S)
            observer, plan = Observer(group), self.options.plan
            self._injector = Injector(plan, cluster, proxies, clients, observer, self._clock, self.story.tell)
            self._doing = "under attack"
            crowd.begin()
            await crowd.meanwhile(self._injector.carry_out())
            if is_live(plan):
                await crowd.meanwhile(self._enough())
                await self._recover(observer, crowd)

    async def _enough(self) -> None:
        """Let the clients work on after a short plan, until there is something to judge or it takes too long."""
        self._doing = "waiting for more operations"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENOUGH_S):
                while self.ledger.answered < OPERATIONS_MIN:  # noqa: ASYNC110 (each client answers in its own time)
                    await asyncio.sleep(LOOK_EVERY_S)

    async def _recover(self, observer: Observer, crowd: Crowd) -> None:
        """Let the clients finish, read everything back, and wait for the nodes that were away."""
        await self._within(RECOVERY_S, "waiting for the clients", crowd.finish())
        await self._within(RECOVERY_S, "reading everything back", crowd.serve(0, READER, _read_everything))
        await self._within(CATCH_UP_S, "waiting for every node to catch up", self._caught_up(observer))

    async def _within(self, limit_s: float, doing: str, it: Awaitable[object]) -> None:
        self._doing = doing
        try:
            async with asyncio.timeout(limit_s):
                await it
        except TimeoutError:
            raise self._broken("nemesis.liveness", f"still {doing} {limit_s:g} s after everything healed") from None

    async def _caught_up(self, observer: Observer) -> None:
        """Wait until every node that has not lost its data has applied what is committed."""
        plan, injector = self.options.plan, self._injector
        awaited = [node for node in plan.nodes if injector is None or not injector.is_gone(node)]
        while True:
            statuses = await observer.statuses()
            goal = max((status.commit_index for status in statuses), default=0)
            there = {status.node for status in statuses if status.applied_index >= goal}
            if all(node in there for node in awaited):
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _broken(self, invariant: str, detail: str) -> Violation:
        return Violation(invariant, detail, node=None, step=self.ledger.answered, time_s=self.now())

    def _verdict(self, violation: Violation | None) -> Verdict:
        plan, answered = self.options.plan, self.ledger.answered
        void = f"only {answered} operations were answered" if answered < OPERATIONS_MIN and is_live(plan) else None
        if unjudged := undecided(self.ledger):
            void = f"the budget did not suffice to judge the history of {', '.join(unjudged)}"
        return Verdict(
            seed=self.options.seed,
            violation=violation,
            void=void,
            operations=answered,
            events=len(self.story.lines),
            simulated_s=self.now(),
            planned=tuple(plan.kinds()) if is_live(plan) else (),
            fired=self.fired,
            digest=None,
            tail=() if violation is None else self.story.tail,
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            trace=self.story.lines,
        )


async def _read_everything(client: SimulatedClient) -> None:
    await Work(client).read_everything(lambda _: None)
