"""A whole cluster in one seeded world: deployed, attacked, used and judged.

    async def main() -> None:
        sim.deploy(topology)
        crowd = sim.clients(10, workload)
        sim.node("n1").crash(after=1.0, down=0.2)
        sim.partition(["n1"], ["n2", "n3"])
        await sim.until(lambda: crowd.is_done, within=60)
        sim.assert_linearizable()

    sim = Simulation(seed=7)
    sim.run(main)

Every node is the real thing (actors, transport, storage) in a life of its own; every client is a real client. Which
runs first, how long things take and what fails is drawn from the seed: the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final, TypeVar, overload

from coterie.actors.client import Client
from coterie.actors.simulation.buggify import Sites
from coterie.actors.simulation.checkers.history_recording import Ledger, Recording
from coterie.actors.simulation.checkers.raft_group_checker import RaftWatch
from coterie.actors.simulation.checkers.run_checkers import Stand
from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.disk_faults import is_noticed_rot
from coterie.actors.simulation.faults.simulation_injector import Injector
from coterie.actors.simulation.run_log import Story
from coterie.actors.simulation.simulated_client import Crowd, Rounds, SimulatedClient, Workload, linked, serve_client
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.actors.topology import Topology
from coterie.errors import CoterieError, SimulationStuck
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import BUDGET, History, Status, check
from coterie.protocols.checking.violation import Bench, Violation
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level, Role
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, profile_named
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import Trace
from coterie.runtime.refs import Ref
from coterie.runtime.system import SystemConfig

__all__ = ["Simulation"]

T = TypeVar("T")

PLAN_S: Final = 20.0
LONGEST_S: Final = 3600.0
MOST_STEPS: Final = 50_000_000
LOOK_EVERY_S: Final = 0.05
OVERSEE_EVERY_S: Final = 1.0
LAST_WORDS_S: Final = 1.0


class Simulation:
    """One world, one seed, one topology.

    Args:
        seed: what all chance is drawn from.
        plan: the faults to come; their time begins with `deploy`.
        profile: draws the plan from the seed instead, for the nodes of the topology; see
            `coterie.protocols.faults.profiles`. None, and no plan: nothing but what the program does itself.
        duration_s: how long a drawn plan lasts (s).
        max_s: the most simulated time that `run` takes (s; it is looked at once a second).
        max_steps: the most steps that `run` takes: a world that spins without end is stopped.
        is_traced: keep every line of the trace, not the last ones alone.
        is_hashed: take every step of the world into `digest`.
        most_operations: how many rounds all clients may do together, see `SimulatedClient.rounds`; None: any number.

    Raises:
        ValueError: both a plan and a profile.
        PlanError: there is no such profile, or the plan has a fault that whole systems cannot suffer.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        plan: Plan | None = None,
        profile: str | None = None,
        duration_s: float = PLAN_S,
        max_s: float = LONGEST_S,
        max_steps: int = MOST_STEPS,
        is_traced: bool = False,
        is_hashed: bool = False,
        most_operations: int | None = None,
    ) -> None:
        if plan is not None and profile is not None:
            raise ValueError("a simulation has a plan= or a profile=, not both")
        if plan is not None:
            plan.check_level(Level.SYSTEM)
        if profile is not None:
            profile_named(profile)
        self.seed = seed
        """What all chance is drawn from."""
        self.plan = plan
        """The faults to come; drawn at `deploy`, if a profile draws them."""
        self.world = SimulatedWorld(seed, trace=Trace(is_kept=is_traced) if is_hashed else None)
        """What it all happens in: loop, network, disks, lives."""
        self.sites = Sites(seed)
        """The sites of `sometimes`."""
        self._profile = profile
        self._duration_s = duration_s
        self._max_s = max_s
        self._max_steps = self.world.loop.most_handled = max_steps
        note = None if self.world.trace is None else self.world.trace.note
        self._story = Story(self.now, note, is_whole=is_traced)
        self._stand = Stand(self.world.loop.clock.monotonic, lambda: self.world.loop.handled, self.fail)
        self._ledger = Ledger()
        self._deployment: Deployment | None = None
        self._injector: Injector | None = None
        self._observer: Client | None = None
        self._client_numbers = itertools.count(1)
        self._rounds = Rounds(most_operations)
        self._doom: asyncio.Future[None] | None = None
        self.failure: BaseException | None = None
        """What ended the run: the first broken invariant, or error of a node or client; None if nothing did."""

    # --- to run -----------------------------------------------------------------------------------------------------

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` in the world and return its result; then everybody ends, as in a crash. Once only.

        Raises:
            Violation: an invariant broke: of a group's judge, a node that ended by itself, a client whose work failed.
            SimulationStuck: it took too long, in simulated time or in steps; it names what waits.
            VirtualDeadlock: nothing is left that could ever happen; it names what waits.
            BaseException: what `main` raises.
        """
        vars(self.world.loop)["sites"] = self.sites
        return self.world.run(lambda: self._bounded(main))

    async def _bounded(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        loop = asyncio.get_running_loop()
        doom = self._doom = loop.create_future()
        task = loop.create_task(main(), name="main")
        overseer = loop.create_task(self._oversee(), name="overseer")
        await asyncio.wait({task, doom, overseer}, return_when=asyncio.FIRST_COMPLETED)
        is_stuck = not task.done() and not doom.done()
        where = _waiting(task) if is_stuck else ""
        overseer.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=LAST_WORDS_S)
        if self.failure is not None:
            raise self.failure
        if is_stuck:
            raise SimulationStuck(f"{self._so_far()}: main waits at {where}; {self._standing()}")
        return task.result()

    async def _oversee(self) -> None:
        """Return when the run has taken too long: until it does, how long it may take changes nothing in it."""
        while self.now() < self._max_s and self.world.loop.handled < self._max_steps:  # noqa: ASYNC110
            await asyncio.sleep(OVERSEE_EVERY_S)

    def fail(self, error: BaseException) -> None:
        """End the run with `error`; the first one counts."""
        if self.failure is None:
            self.failure = error
            self._story.tell(None, "simulation.failed", f"{type(error).__name__}: {error}")
            if self._doom is not None and not self._doom.done():
                self._doom.set_result(None)

    def now(self) -> float:
        """Return the world's time (s), which no node's clock need show."""
        return self.world.loop.clock.monotonic()

    @overload
    async def until(self, condition: Callable[[], Awaitable[T]], *, within: float) -> T: ...
    @overload
    async def until(self, condition: Callable[[], T | None], *, within: float) -> T: ...
    async def until(self, condition: Callable[[], object], *, within: float) -> Any:
        """Wait until `condition()` is true, or what it returns comes true when awaited; return that.

        It is looked at every 50 ms of simulated time. An error of coterie's (nobody answers) counts as not yet.

        Raises:
            AssertionError: it is not true within so many seconds; it names the condition and how the nodes are.
        """
        __tracebackhide__ = True
        deadline = self.now() + within
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
            await asyncio.sleep(LOOK_EVERY_S)
        why = "" if last is None else f", lately {type(last).__name__}: {last}"
        raise AssertionError(f"not within {within:g} s: {_named(condition)}{why}; {self._standing()}")

    # --- who runs ---------------------------------------------------------------------------------------------------

    def deploy(self, topology: Topology, *, durable: bool = True, config: SystemConfig | None = None) -> None:
        """Start every node of `topology`, each a process of its own, and let the plan begin. `ready` waits for them.

        Args:
            topology: what runs. Its groups get judges, who end the run when an invariant breaks.
            durable: whether nodes have data directories; without, a node that crashed cannot come back.
            config: of the nodes' systems.

        Raises:
            RuntimeError: something was deployed before.
            TopologyError: the topology is none.
            PlanError: the plan is for other nodes.
        """
        if self._deployment is not None:
            raise RuntimeError("a simulation runs one topology: make another Simulation")
        deployed = self._deployment = Deployment(
            topology,
            self.world,
            self._stand,
            shows=self._showed,
            story=self._story,
            failed=self._node_failed,
            is_durable=durable,
            config=config,
        )
        if self._profile is not None:
            rng = self.world.rng("plan")
            self.plan = draw_plan(self._profile, rng, topology.nodes, self._duration_s, level=Level.SYSTEM)
        deployed.start()
        self._injector = Injector(self.plan, deployed, self.world, self._story.tell)
        self._injector.begin()

    async def ready(self, *, within: float = 30.0) -> None:
        """Wait until every node is up and has been linked to. AssertionError if that takes longer."""
        __tracebackhide__ = True
        observer = await self.observer()
        await self.until(lambda: all(node.is_up and node.name in observer.nodes for node in self.nodes), within=within)

    @property
    def nodes(self) -> tuple[SimulatedNode, ...]:
        """All nodes, in the topology's order."""
        return tuple(self._deployed.nodes.values())

    def node(self, name: str) -> SimulatedNode:
        """Return a node: its state, and the verbs of its faults. TopologyError if there is none of that name."""
        return self._deployed.node(name)

    def leader_of(self, group: str) -> str | None:
        """Return who leads a Raft group, by the latest term of those that take themselves for leaders; None: nobody."""
        watch = self._deployed.watches.get(group)
        if not isinstance(watch, RaftWatch):
            known = ", ".join(watch.group for watch in self._deployed.rafts) or "none"
            raise ValueError(f"leader_of({group!r}): there is no such Raft group; there are: {known}")
        return watch.leader

    async def observer(self) -> Client:
        """Return a client that no fault strikes, linked to the cluster: for `main` to look, and to send."""
        if self._observer is None:
            life = self.world.begin("observer")
            self._observer = await linked(partial(self._client, "observer", life.host))
        return self._observer

    async def actor(self, name: str, *, node: str) -> Ref[Any]:
        """Return the actor that the topology runs under that name on a node, in whatever life it is."""
        return (await self.observer()).actor(name, node=self.node(node).name)

    def clients(self, count: int, workload: Workload) -> Crowd:
        """Let `count` clients do `workload(client)`, each in a life of its own; what they do is recorded.

        An error of coterie's that `workload` lets out ends that client (see `Crowd.gave_up`); any other ends the run.
        """
        gave_up: dict[str, CoterieError] = {}
        numbers = itertools.islice(self._client_numbers, count)
        return Crowd([self._begin_client(number, workload, gave_up) for number in numbers], gave_up)

    def _begin_client(self, number: int, workload: Workload, gave_up: dict[str, CoterieError]) -> asyncio.Task[None]:
        name = f"c{number}"
        life, rng = self.world.begin(name), self.world.rng(f"client/{number}")

        def note(error: CoterieError) -> None:
            gave_up[name] = error
            self._story.tell(name, "client.gave_up", f"{type(error).__name__}: {error}")

        def wrap(access: Client) -> SimulatedClient:
            return SimulatedClient(number, name, access, rng, self._ledger, self._rounds, self.now)

        serving = serve_client(lambda: self._client(name, life.host), wrap, workload, note)
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
        """Part the sides: nothing passes between a node of one and a node of another, until `heal`.

        `partition(["n1"], ["n2", "n3"])`. What is held back is delivered afterwards. TypeError if a side is a string.
        """
        parts = [self._side(side) for side in sides]
        self._story.tell(None, "network.parted", parts)
        for here, there in itertools.combinations(parts, 2):
            for one, other in itertools.product(here, there):
                self.world.network.partition(one, other)

    def heal(self) -> None:
        """End every fault of the network: partitions, holes, bad weather. Nodes stay as they are; see `recover`."""
        self._injected.calm_network()
        self._story.tell(None, "network.healed")

    def recover(self) -> None:
        """End every fault, as the end of a plan does: heal, resume, set clocks and disks right, start who is down."""
        self._injected.recover()

    def _side(self, side: Iterable[str]) -> list[str]:
        if isinstance(side, str):
            raise TypeError(f"partition(…, {side!r}, …): a side is a list of names: [{side!r}]")
        return [self.node(name).name for name in side]

    # --- what happened ----------------------------------------------------------------------------------------------

    @property
    def recordings(self) -> tuple[Recording, ...]:
        """What clients did, by group, in the order of the first call."""
        return tuple(self._ledger.by_group.values())

    @property
    def history(self) -> History:
        """What clients did to the one group that they used. ValueError if they used several, see `recordings`."""
        if len(self.recordings) > 1:
            groups = ", ".join(recording.group for recording in self.recordings)
            raise ValueError(f"clients used several groups ({groups}): there is a history for each in `recordings`")
        return self.recordings[0].history if self.recordings else History()

    @property
    def operations(self) -> int:
        """How many recorded operations were answered."""
        return self._ledger.answered

    @property
    def trace(self) -> tuple[TraceLine, ...]:
        """What happened, in order: all of it if `is_traced`, else the end."""
        return self._story.lines

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the trace, rendered."""
        return self._story.tail

    @property
    def digest(self) -> str:
        """The hash of every step of the world. RuntimeError unless `is_hashed`."""
        return self.world.digest

    @property
    def firings(self) -> Firings:
        """How often each kind of fault took effect."""
        return Firings() if self._injector is None else self._injector.firings

    @property
    def injector(self) -> Injector:
        """Who carries the plan out."""
        return self._injected

    @property
    def deployment(self) -> Deployment:
        """What was deployed, with its judges."""
        return self._deployed

    @property
    def bench(self) -> Bench:
        """The bench of this run's judges: give it to a judge of your own, and tell that through `judge`."""
        return self._stand.bench

    def judge(self, word: Callable[..., object], *facts: object) -> None:
        """Call `word(*facts)`, a judge's method, at this moment; a `Violation` that it raises ends the run."""
        self._stand.hear(word, *facts)

    def assert_linearizable(self, *, budget: int = BUDGET) -> None:
        """Check that one order of the operations explains all that clients saw, group by group.

        Raises:
            Violation: no order does; it shows the shortest conflict, and when the operation returned that fits nowhere.
            AssertionError: `budget` (see `check`) did not suffice to tell, or nothing was recorded.
        """
        if not self.recordings:
            raise AssertionError("nothing was recorded: let clients use client.key_value(…) or client.recorder(…)")
        for recording in self.recordings:
            verdict = recording.verdict = check(recording.history, recording.model, budget=budget)
            if verdict.status is Status.VIOLATION:
                detail = f"group {recording.group!r}: {verdict.text}"
                steps, found = self.world.loop.handled, verdict.counterexample
                at_s = self.now() if found is None or found.stuck.returned_s is None else found.stuck.returned_s
                raise Violation("linearizability", detail, node=None, step=steps, time_s=at_s)
            if verdict.status is Status.UNKNOWN:
                raise AssertionError(f"group {recording.group!r}: {verdict.text}")

    # --- inside -----------------------------------------------------------------------------------------------------

    @property
    def _deployed(self) -> Deployment:
        if self._deployment is None:
            raise RuntimeError("nothing runs yet: call sim.deploy(topology) first")
        return self._deployment

    @property
    def _injected(self) -> Injector:
        if self._injector is None:
            raise RuntimeError("nothing runs yet: call sim.deploy(topology) first")
        return self._injector

    def _showed(self, role: Role, node: str) -> None:
        if self._injector is not None:
            self._injector.showed(role, node)

    def _node_failed(self, node: SimulatedNode, error: BaseException) -> None:
        if not (node.may_end or is_noticed_rot(node, error)):
            detail = f"it ended by itself: {type(error).__name__}: {error}"
            steps = self.world.loop.handled
            violation = Violation("node.failed", detail, node=NodeId(node.name), step=steps, time_s=self.now())
            violation.__cause__ = error
            self.fail(violation)

    def _so_far(self) -> str:
        return f"seed {self.seed}: still running after {self.now():.1f} simulated s and {self.world.loop.handled} steps"

    def _standing(self) -> str:
        """Say how the nodes are, and who leads."""
        if self._deployment is None:
            return "nothing was deployed"
        nodes = ", ".join(f"{node.name} {node.state}" for node in self.nodes)
        leaders = [f"{watch.leader or 'nobody'} leads {watch.group}" for watch in self._deployment.rafts]
        return "; ".join([f"nodes: {nodes}", *leaders])


def _named(condition: Callable[[], object]) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _waiting(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack()
    return " < ".join(f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in stack[-3:]) or "nowhere"
