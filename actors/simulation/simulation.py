"""`Simulation`: runs a whole cluster with faults, clients and checkers in virtual time; all of it follows from a seed.

    async def main() -> None:
        sim.deploy(topology)
        clients = sim.clients(10, workload)
        sim.node("n1").crash(after_s=1.0, down_s=0.2)
        sim.partition(["n1"], ["n2", "n3"])
        await sim.until(lambda: clients.is_done, within_s=60)
        sim.assert_linearizable()

    sim = Simulation(seed=7)
    sim.run(main)

Every node runs the real code (actors, transport, storage) in its own simulated process; every client is a real client.
The order of steps, durations and failures are drawn from the seed: the same seed gives the same run.

The parts of a run:
    faults      `faults/` carries out the fault plan; `SimulatedNode` has single faults: crash, pause, wipe
    checkers    `checkers/` checks each Raft group and synod while it runs; `check` calls a checker of the caller
    clients     `simulated_client.py` runs workloads; `checkers/history_recording.py` records their operations
    result      here: `assert_linearizable`, `failure`, `trace`, `history`, `fault_counts`, `digest`;
                `scenarios/system_scenario.py` makes a `RunResult` of them for the explorer
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from functools import partial
from typing import Any, Final, TypeVar, overload

from coterie.actors.client import Client
from coterie.actors.simulation.buggify import BuggifySites
from coterie.actors.simulation.checkers.history_recording import GroupRecording, Recordings
from coterie.actors.simulation.checkers.raft_group_checker import RaftGroupChecker
from coterie.actors.simulation.checkers.run_checkers import RunCheckers
from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.disk_faults import is_detected_rot
from coterie.actors.simulation.faults.simulation_injector import SimulationInjector
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.simulation.simulated_client import (
    RoundBudget,
    SimulatedClient,
    SimulatedClients,
    Workload,
    connected_client,
    run_client,
)
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.actors.simulation.wait_descriptions import condition_name, waiting_place
from coterie.actors.topology import Topology
from coterie.errors import CoterieError, SimulationStuck
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import BUDGET, History, Status, check
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level, TargetRole
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, profile_named
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.refs import Ref
from coterie.runtime.system import SystemConfig

__all__ = ["Simulation"]

T = TypeVar("T")

PLAN_DURATION_S: Final = 20.0
MAX_S: Final = 3600.0
MAX_STEPS: Final = 50_000_000
POLL_INTERVAL_S: Final = 0.05
LIMIT_CHECK_INTERVAL_S: Final = 1.0
CLEANUP_TIMEOUT_S: Final = 1.0


class Simulation:
    """Runs one topology in one world, with one seed.

    Args:
        seed: of all random draws.
        plan: the faults to inject; their time begins with `deploy`.
        profile: draws the plan from the seed instead, for the nodes of the topology; see
            `coterie.protocols.faults.profiles`. With neither a plan nor a profile, only the program injects faults.
        duration_s: how long a drawn plan lasts (s).
        max_s: the longest simulated time of `run` (s; checked once a second).
        max_steps: the most steps of `run`: stops an endless loop.
        is_traced: keep every line of the trace, not only the last 60.
        is_hashed: include every step of the world in `digest`.
        max_rounds: how many rounds all clients may do together, see `SimulatedClient.rounds`; None: unlimited.

    Raises:
        ValueError: both a plan and a profile are given.
        PlanError: the profile does not exist, or the plan has a fault that cannot be injected into whole systems.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        plan: FaultPlan | None = None,
        profile: str | None = None,
        duration_s: float = PLAN_DURATION_S,
        max_s: float = MAX_S,
        max_steps: int = MAX_STEPS,
        is_traced: bool = False,
        is_hashed: bool = False,
        max_rounds: int | None = None,
    ) -> None:
        if plan is not None and profile is not None:
            raise ValueError("Simulation takes plan= or profile=, not both: leave one out")
        if plan is not None:
            plan.check_level(Level.SYSTEM)
        if profile is not None:
            profile_named(profile)
        self.seed = seed
        """The seed of all random draws."""
        self.plan = plan
        """The fault plan; a plan from a profile is drawn at `deploy`."""
        self.world = SimulatedWorld(seed, trace=StepTrace(keeps_lines=is_traced) if is_hashed else None)
        """The simulated world: event loop, network, disks, process lives."""
        self.buggify_sites = BuggifySites(seed)
        """The sites of `buggify`."""
        self._profile = profile
        self._duration_s = duration_s
        self._max_s = max_s
        self._max_steps = self.world.loop.max_handled = max_steps
        on_line = None if self.world.trace is None else self.world.trace.record
        self._run_log = RunLog(self.now, on_line, keeps_all=is_traced)
        self._checkers = RunCheckers(self.world.loop.clock.monotonic, lambda: self.world.loop.handled, self.fail)
        self._recordings = Recordings()
        self._deployment: Deployment | None = None
        self._injector: SimulationInjector | None = None
        self._observer: Client | None = None
        self._client_numbers = itertools.count(1)
        self._rounds = RoundBudget(max_rounds)
        self._failed: asyncio.Future[None] | None = None
        self.failure: BaseException | None = None
        """The first violation, or error of a node or client, which ended the run; None if there is none."""

    # --- running ---------------------------------------------------------------------------------------------------

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` in the world and return its result; then every node and client ends, as in a crash. Once only.

        Raises:
            Violation: a checker found a broken invariant, or a node ended by itself.
            SimulationStuck: `max_s` or `max_steps` is exceeded; the text shows where `main` waits.
            VirtualDeadlock: no step is scheduled any more; it names the tasks that wait.
            BaseException: the error that `main` or a workload raises.
        """
        vars(self.world.loop)["buggify_sites"] = self.buggify_sites
        return self.world.run(lambda: self._bounded(main))

    async def _bounded(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        loop = asyncio.get_running_loop()
        failed = self._failed = loop.create_future()
        task = loop.create_task(main(), name="main")
        limit = loop.create_task(self._wait_for_limit(), name="overseer")
        await asyncio.wait({task, failed, limit}, return_when=asyncio.FIRST_COMPLETED)
        is_stuck = not task.done() and not failed.done()
        where = waiting_place(task) if is_stuck else ""
        limit.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLEANUP_TIMEOUT_S)
        elif self.failure is None and self._deployment is not None:
            self._deployment.end_run()
        if self.failure is not None:
            raise self.failure
        if is_stuck:
            raise SimulationStuck(f"{self._progress()}: main waits at {where}; {self._node_states()}")
        return task.result()

    async def _wait_for_limit(self) -> None:
        """Return when a limit is reached. Checked once a second, so that the limits do not change the run before."""
        while self.now() < self._max_s and self.world.loop.handled < self._max_steps:  # noqa: ASYNC110
            await asyncio.sleep(LIMIT_CHECK_INTERVAL_S)

    def fail(self, error: BaseException) -> None:
        """End the run with `error`, unless an earlier error has ended it."""
        if self.failure is None:
            self.failure = error
            self._run_log.record(None, "simulation.failed", f"{type(error).__name__}: {error}")
            if self._failed is not None and not self._failed.done():
                self._failed.set_result(None)

    def now(self) -> float:
        """Return the world's time (s); the clocks of nodes may differ."""
        return self.world.loop.clock.monotonic()

    @overload
    async def until(self, condition: Callable[[], Awaitable[T]], *, within_s: float) -> T: ...
    @overload
    async def until(self, condition: Callable[[], T | None], *, within_s: float) -> T: ...
    async def until(self, condition: Callable[[], object], *, within_s: float) -> Any:
        """Wait until `condition()`, or its awaited result, is true; return that value.

        The condition is evaluated every 50 ms of simulated time. A `CoterieError` or timeout counts as false.

        Raises:
            AssertionError: it is not true within `within_s` seconds; names the condition and the states of the nodes.
        """
        __tracebackhide__ = True
        deadline = self.now() + within_s
        last: CoterieError | TimeoutError | None = None
        while True:
            try:
                value: Any = condition()
                if inspect.isawaitable(value):
                    async with asyncio.timeout(max(0.0, deadline - self.now())):
                        value = await value
                if value:
                    return value
            except (CoterieError, TimeoutError) as error:
                last = error
            if self.now() >= deadline:
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        why = "" if last is None else f", last error {type(last).__name__}: {last}"
        raise AssertionError(f"not within {within_s:g} s: {condition_name(condition)}{why}; {self._node_states()}")

    # --- nodes, clients ---------------------------------------------------------------------------------------------

    def deploy(
        self,
        topology: Topology,
        *,
        durable: bool = True,
        joining: Collection[str] = (),
        guests: Collection[str] = (),
        config: SystemConfig | None = None,
    ) -> None:
        """Start every node of `topology` in its own simulated process, and begin the plan. `ready` waits for them.

        Args:
            topology: to run. Its groups get checkers, which end the run when an invariant is broken.
            durable: whether nodes have data directories; without one, a crashed node cannot rejoin its groups.
            joining: the nodes whose first start is with `bootstrap="join"`: they found no group, and wait to be added
                (`GroupClient.add`). A plan may leave them out: then its faults have other targets.
            guests: nodes that join the view of a topology with `Members`: it does not name them.
            config: of the nodes' systems.

        Raises:
            RuntimeError: a topology was deployed before.
            TopologyError: the topology is not valid.
            PlanError: the plan is for other nodes.
        """
        if self._deployment is not None:
            raise RuntimeError("a simulation runs one topology, and one is deployed already: make another Simulation")
        deployed = self._deployment = Deployment(
            topology,
            self.world,
            self._checkers,
            on_role=self._on_role,
            run_log=self._run_log,
            on_failure=self._node_failed,
            seed=self.seed,
            is_durable=durable,
            joining=joining,
            guests=guests,
            config=config,
        )
        if self._profile is not None:
            rng = self.world.rng("plan")
            self.plan = draw_plan(self._profile, rng, deployed.founders, self._duration_s, level=Level.SYSTEM)
        deployed.start()
        self._injector = SimulationInjector(self.plan, deployed, self.world, self._run_log.record)
        self._injector.begin()

    async def ready(self, *, within_s: float = 30.0) -> None:
        """Wait until every node is up and connected to the observer. AssertionError after `within_s` seconds."""
        __tracebackhide__ = True
        observer = await self.observer()
        await self.until(
            lambda: all(node.is_up and node.name in observer.nodes for node in self.nodes), within_s=within_s
        )

    @property
    def nodes(self) -> tuple[SimulatedNode, ...]:
        """All nodes, in the topology's order."""
        return tuple(self._deployed.nodes.values())

    def node(self, name: str) -> SimulatedNode:
        """Return a node, with its state and its faults as methods. TopologyError if no node has that name."""
        return self._deployed.node(name)

    def upgrade(self, name: str, topology: Topology, *, down_s: float = 0.0) -> None:
        """Restart one node on other code: crash it if it runs, and start it on `topology` `down_s` seconds later.

        `topology` declares the same cluster (its name and nodes) with other classes: a new release, or the previous one
        after a rollback. Use it node by node to rehearse a rolling upgrade under faults.

        Raises:
            TopologyError: no node has that name; `topology` is not valid, or has another name or other nodes.
        """
        self._deployed.replace_topology(name, topology)
        self._run_log.record(name, "node.upgraded", None)
        self.node(name).restart(down_s=down_s)

    def leader_of(self, group: str) -> str | None:
        """Return the leader of a Raft group (of several, that of the highest term); None if there is no leader."""
        checker = self._deployed.group_checkers.get(group)
        if not isinstance(checker, RaftGroupChecker):
            known = ", ".join(checker.group for checker in self._deployed.raft_checkers) or "none"
            raise ValueError(f"leader_of({group!r}): no such Raft group; the groups are: {known}")
        return checker.leader

    async def observer(self) -> Client:
        """Return a connected client that no fault affects: for `main` to observe the cluster and send messages."""
        if self._observer is None:
            life = self.world.begin("observer")
            self._observer = await connected_client(partial(self._client, "observer", life.host))
        return self._observer

    async def actor(self, name: str, *, node: str) -> Ref[Any]:
        """Return a ref to the actor of that name on a node; it stays valid when the node restarts."""
        return (await self.observer()).actor(name, node=self.node(node).name)

    def clients(self, count: int, workload: Workload) -> SimulatedClients:
        """Start `count` recorded clients that run `workload(client)`, each in its own simulated process.

        A `CoterieError` of `workload` ends that client (see `SimulatedClients.gave_up`); any other error ends the run.
        """
        gave_up: dict[str, CoterieError] = {}
        numbers = itertools.islice(self._client_numbers, count)
        return SimulatedClients([self._begin_client(number, workload, gave_up) for number in numbers], gave_up)

    def _begin_client(self, number: int, workload: Workload, gave_up: dict[str, CoterieError]) -> asyncio.Task[None]:
        name = f"c{number}"
        life, rng = self.world.begin(name), self.world.rng(f"client/{number}")

        def record_end(error: CoterieError) -> None:
            gave_up[name] = error
            self._run_log.record(name, "client.gave_up", f"{type(error).__name__}: {error}")

        def wrap(access: Client) -> SimulatedClient:
            return SimulatedClient(number, name, access, rng, self._recordings, self._rounds, self.now)

        serving = run_client(lambda: self._client(name, life.host), wrap, workload, record_end)
        task = life.create_task(serving, name=name)
        task.add_done_callback(self._client_ended)
        return task

    def _client(self, name: str, host: Host) -> Client:
        deployed = self._deployed
        return Client(list(deployed.addresses.values()), cluster=deployed.topology.name, name=name, host=host)

    def _client_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    # --- faults -----------------------------------------------------------------------------------------------------

    def partition(self, *sides: Iterable[str]) -> None:
        """Partition the network: nothing passes between nodes of different sides until `heal`.

        `partition(["n1"], ["n2", "n3"])`. Held data is delivered after `heal`. TypeError if a side is a string.
        """
        parts = [self._side(side) for side in sides]
        self._run_log.record(None, "network.parted", parts)
        for here, there in itertools.combinations(parts, 2):
            for one, other in itertools.product(here, there):
                self.world.network.partition(one, other)

    def heal(self) -> None:
        """End every network fault: partitions, half-open links, link conditions. For node faults see `recover`."""
        self._injected.end_network_faults()
        self._run_log.record(None, "network.healed")

    def recover(self) -> None:
        """End every fault, as the end of a plan does: heal, resume, reset clocks and disks, restart nodes."""
        self._injected.recover()

    def _side(self, side: Iterable[str]) -> list[str]:
        if isinstance(side, str):
            raise TypeError(f"partition(…, {side!r}, …): a side must be a list of node names: [{side!r}]")
        return [self.node(name).name for name in side]

    # --- result -----------------------------------------------------------------------------------------------------

    @property
    def recordings(self) -> tuple[GroupRecording, ...]:
        """The recorded operations of clients, one recording for each group, in the order of the first call."""
        return tuple(self._recordings.by_group.values())

    @property
    def history(self) -> History:
        """The history of the one group that clients used. ValueError if they used several, see `recordings`."""
        if len(self.recordings) > 1:
            groups = ", ".join(recording.group for recording in self.recordings)
            raise ValueError(f"clients used several groups ({groups}): use the history of each in `recordings`")
        return self.recordings[0].history if self.recordings else History()

    @property
    def operations(self) -> int:
        """The number of recorded operations that were answered."""
        return self._recordings.answered

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """The lines of the run log, oldest first: all if `is_traced`, else the last 60."""
        return self._run_log.lines

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the trace, rendered."""
        return self._run_log.tail

    @property
    def digest(self) -> str:
        """The hash of every step of the world. RuntimeError unless `is_hashed`."""
        return self.world.digest

    @property
    def fault_counts(self) -> FaultCounts:
        """How often each kind of fault took effect."""
        return FaultCounts() if self._injector is None else self._injector.fault_counts

    @property
    def injector(self) -> SimulationInjector:
        """The injector, which carries out the plan."""
        return self._injected

    @property
    def deployment(self) -> Deployment:
        """The deployed nodes and the checkers of their groups."""
        return self._deployed

    @property
    def violation_context(self) -> ViolationContext:
        """The present time and step for violations: pass it to a custom checker, and call that through `check`."""
        return self._checkers.violation_context

    def check(self, method: Callable[..., object], *facts: object) -> None:
        """Call `method(*facts)` of a checker with the present time; a `Violation` that it raises ends the run."""
        self._checkers.check(method, *facts)

    def assert_linearizable(self, *, budget: int = BUDGET) -> None:
        """Check that the recorded history of each group is linearizable.

        Raises:
            Violation: a history is not; shows the shortest conflict, dated when the conflicting operation returned.
            AssertionError: `budget` (see `linearizability.check`) was too small to decide, or nothing was recorded.
        """
        if not self.recordings:
            raise AssertionError("nothing was recorded: let clients use client.key_value(…) or client.recorder(…)")
        for recording in self.recordings:
            result = recording.result = check(recording.history, recording.model, budget=budget)
            if result.status is Status.VIOLATION:
                detail = f"group {recording.group!r}: {result.text}"
                steps, found = self.world.loop.handled, result.counterexample
                at_s = self.now() if found is None or found.stuck.returned_s is None else found.stuck.returned_s
                raise Violation("linearizability", detail, node=None, step=steps, time_s=at_s)
            if result.status is Status.UNKNOWN:
                raise AssertionError(f"group {recording.group!r}: {result.text}")

    # --- internals --------------------------------------------------------------------------------------------------

    @property
    def _deployed(self) -> Deployment:
        if self._deployment is None:
            raise RuntimeError("no topology is deployed: call sim.deploy(topology) first")
        return self._deployment

    @property
    def _injected(self) -> SimulationInjector:
        if self._injector is None:
            raise RuntimeError("no topology is deployed: call sim.deploy(topology) first")
        return self._injector

    def _on_role(self, role: TargetRole, node: str) -> None:
        if self._injector is not None:
            self._injector.role_observed(role, node)

    def _node_failed(self, node: SimulatedNode, error: BaseException) -> None:
        if not (node.may_end or is_detected_rot(node, error)):
            detail = f"the node ended by itself: {type(error).__name__}: {error}"
            steps = self.world.loop.handled
            violation = Violation("node.failed", detail, node=NodeId(node.name), step=steps, time_s=self.now())
            violation.__cause__ = error
            self.fail(violation)

    def _progress(self) -> str:
        return f"seed {self.seed}: still running after {self.now():.1f} simulated s and {self.world.loop.handled} steps"

    def _node_states(self) -> str:
        """Return the state of each node and the leader of each Raft group, as text."""
        if self._deployment is None:
            return "no topology is deployed"
        nodes = ", ".join(f"{node.name} {node.state}" for node in self.nodes)
        leaders = [f"{checker.leader or 'no node'} leads {checker.group}" for checker in self._deployment.raft_checkers]
        return "; ".join([f"nodes: {nodes}", *leaders])
