"""A program in a simulation as the explorer runs it, seed by seed: `coterie sim package.module:attribute`.

    @scenario(nodes=["n1", "n2", "n3"])
    async def transfers(sim: Simulation) -> None:
        sim.deploy(topology)
        await sim.clients(5, transfer)
        sim.assert_linearizable()

What the program raises is what the run came to. If it ends before the plan does, the run goes on until all has healed.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable, Sequence

from coterie.actors.simulation.simulation import LONGEST_S, Simulation
from coterie.errors import PlanError, SimulationStuck
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.linearizability import Verdict as Linearizability
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, is_live
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["Program", "SystemScenario", "scenario"]

Program = Callable[[Simulation], Awaitable[None]]

FEWEST_OPERATIONS = 100
PLAN_S = 20.0
LONGEST_DELAY_S = 10.0


class SystemScenario:
    """A `Scenario` (see `coterie.protocols.simulation.scenarios.protocol_scenarios`) at the level of systems.

    Args:
        name: what people call it.
        program: what runs, in a `Simulation` that has its plan; `sim.plan.nodes` are the nodes.
        nodes: the nodes. A number: any number will do, this many if nobody says.
        duration_s: how long plans last (s).
        fewest_operations: with fewer recorded operations answered a run is void.
        leaves_out: kinds of faults that plans do without: what the program has nothing for.
    """

    level = Level.SYSTEM
    """Where it carries plans out."""

    def __init__(
        self,
        name: str,
        program: Program,
        *,
        nodes: int | Sequence[str],
        duration_s: float = PLAN_S,
        fewest_operations: int = FEWEST_OPERATIONS,
        leaves_out: Sequence[str] = (),
    ) -> None:
        self.name = name
        """What people call it."""
        self._program = program
        self._nodes = nodes if isinstance(nodes, int) else tuple(nodes)
        self._duration_s = duration_s
        self._fewest_operations = fewest_operations
        self._leaves_out = tuple(leaves_out)
        self._max_s = LONGEST_S

    def ending_at(self, max_s: float) -> SystemScenario:
        """Return the same scenario, whose runs end at `max_s` (simulated s), or up to a second later (`Endable`).

        What clients have seen by then must be linearizable: what is not will never become so.
        """
        ending = copy.copy(self)
        ending._max_s = min(max_s, self._max_s)  # noqa: SLF001 (a copy of our own)
        return ending

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> Plan:
        """Return the plan that `run` would give itself.

        Raises:
            PlanError: there is no such profile, or the scenario has another number of nodes.
        """
        rng = random.Random(f"{self.name}/{seed}/plan")
        drawn = draw_plan(profile, rng, self._names(nodes), self._duration_s, level=self.level)
        kept = tuple(fault for fault in drawn.faults if fault.KIND not in self._leaves_out)
        return Plan(drawn.nodes, kept, drawn.ends_at_s, drawn.profile)

    def run(
        self,
        seed: int,
        *,
        plan: Plan | None = None,
        profile: str = "everything",
        nodes: int | None = None,
        operations: int | None = None,
        hashed: bool = False,
        traced: bool = False,
    ) -> Verdict:
        """Run `seed` and say what it came to; the arguments are those of `Scenario.run`.

        Raises:
            PlanError: `plan` has a fault that this level cannot carry out, or is beyond its budget; no such profile.
        """
        plan = plan or self.plan(seed, profile=profile, nodes=nodes)
        sim = Simulation(
            seed, plan=plan, max_s=self._max_s, most_operations=operations, is_hashed=hashed, is_traced=traced
        )
        violation = self._violation(sim)
        judged, history = _judged(sim)
        is_enough = sim.operations >= self._fewest_operations or operations is not None or not is_live(plan)
        unknown = judged is not None and bool(judged.undecided)
        void = None if is_enough else f"only {sim.operations} operations were answered"
        return Verdict(
            seed=seed,
            violation=violation,
            void="the budget did not suffice to judge the history" if unknown and void is None else void,
            operations=sim.operations,
            events=sim.world.loop.handled,
            simulated_s=sim.now(),
            planned=tuple(plan.kinds()) if is_live(plan) else (),
            fired=dict(sim.firings.count_by_kind),
            digest=sim.digest if hashed else None,
            tail=() if violation is None else sim.tail,
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            history=history,
            linearizability=judged,
            trace=_trace(sim, hashed=hashed) if traced else (),
            messages=sim.world.network.carried(),
        )

    def _violation(self, sim: Simulation) -> Violation | None:
        async def main() -> None:
            await self._program(sim)
            await sim.until(lambda: sim.injector.is_over, within=self._duration_s + LONGEST_DELAY_S)

        try:
            sim.run(main)
        except PlanError:
            raise
        except Violation as violation:
            return violation
        except SimulationStuck as stuck:
            return self._unfinished(sim, stuck)
        except Exception as error:  # noqa: BLE001 (whatever a program raises is what the run came to)
            return Violation("program", _told(error), node=None, step=sim.world.loop.handled, time_s=sim.now())
        return None

    def _unfinished(self, sim: Simulation, stuck: SimulationStuck) -> Violation:
        """Say what a run came to that did not come to its end; one that was ended is judged by what it has so far."""
        if self._max_s < LONGEST_S and sim.recordings:
            try:
                sim.assert_linearizable()
            except Violation as violation:
                return violation
            except AssertionError:
                pass  # that nobody can tell is no failure
        return Violation("program", _told(stuck), node=None, step=sim.world.loop.handled, time_s=sim.now())

    def _names(self, nodes: int | None) -> Sequence[str]:
        if isinstance(self._nodes, int):
            return [f"n{number}" for number in range(1, (nodes or self._nodes) + 1)]
        if nodes is not None and nodes != len(self._nodes):
            raise PlanError(f"scenario {self.name!r} has {len(self._nodes)} nodes, it cannot run with {nodes}")
        return self._nodes


def scenario(
    *,
    nodes: int | Sequence[str],
    name: str | None = None,
    duration_s: float = PLAN_S,
    fewest_operations: int = 0,
    leaves_out: Sequence[str] = (),
) -> Callable[[Program], SystemScenario]:
    """Make a scenario of an `async def` that takes a `Simulation`; the arguments are those of `SystemScenario`."""

    def make(program: Program) -> SystemScenario:
        called = name or str(getattr(program, "__name__", "scenario"))
        return SystemScenario(
            called,
            program,
            nodes=nodes,
            duration_s=duration_s,
            fewest_operations=fewest_operations,
            leaves_out=leaves_out,
        )

    return make


def _told(error: BaseException) -> str:
    """Return an error in one line, a group with what is in it."""
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, BaseExceptionGroup):
        return f"{told}: {'; '.join(map(_told, error.exceptions))}"
    return told


def _judged(sim: Simulation) -> tuple[Linearizability | None, History | None]:
    """Return the judgement worth showing, and its history: a violation before anything else."""
    for recording in sim.recordings:
        if recording.verdict is not None and recording.verdict.counterexample is not None:
            return recording.verdict, recording.history
    for recording in sim.recordings:
        return recording.verdict, recording.history
    return None, None


def _trace(sim: Simulation, *, hashed: bool) -> tuple[TraceLine, ...]:
    """Return what happened: for people, or every step of the world, where two runs are to be compared."""
    if not hashed or sim.world.trace is None:
        return sim.trace
    return tuple(TraceLine(0.0, None, line) for line in sim.world.trace.lines)
