"""`SystemScenario`: makes a function that uses `Simulation` a scenario for `coterie sim package.module:attribute`.

    @scenario(nodes=["n1", "n2", "n3"])
    async def transfers(sim: Simulation) -> None:
        sim.deploy(topology)
        await sim.clients(5, transfer)
        sim.assert_linearizable()

An error that the program raises is the result of the run. If the program ends before the plan, the run continues until
the plan has ended.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Awaitable, Callable, Sequence

from coterie.actors.simulation.simulation import MAX_S, Simulation
from coterie.errors import PlanError, SimulationStuck
from coterie.protocols.checking.linearizability import CheckResult, History
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, is_live
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.protocols.simulation.scenarios.run_result import RunResult

__all__ = ["Program", "SystemScenario", "scenario"]

Program = Callable[[Simulation], Awaitable[None]]

MIN_OPERATIONS = 100
PLAN_DURATION_S = 20.0
MAX_END_DELAY_S = 10.0


class SystemScenario:
    """A `Scenario` (see `coterie.protocols.simulation.scenarios.protocol_scenarios`) at the level of systems.

    Args:
        name: of the scenario, as on the command line.
        program: runs in a `Simulation` that has a plan; `sim.plan.nodes` are the nodes.
        nodes: the names of the nodes, or the default number of nodes if any number is allowed.
        duration_s: of fault plans (s).
        min_operations: a run with fewer answered recorded operations is void.
        excluded_kinds: kinds of faults that plans leave out, because they have no effect on the program.
    """

    level = Level.SYSTEM
    """The level at which it carries out fault plans."""

    def __init__(
        self,
        name: str,
        program: Program,
        *,
        nodes: int | Sequence[str],
        duration_s: float = PLAN_DURATION_S,
        min_operations: int = MIN_OPERATIONS,
        excluded_kinds: Sequence[str] = (),
    ) -> None:
        self.name = name
        """The name of the scenario."""
        self._program = program
        self._nodes = nodes if isinstance(nodes, int) else tuple(nodes)
        self._duration_s = duration_s
        self._min_operations = min_operations
        self._excluded_kinds = tuple(excluded_kinds)
        self._max_s = MAX_S

    def ending_at(self, max_s: float) -> SystemScenario:
        """Return the same scenario with runs that end at `max_s` (simulated s), or up to a second later (`Endable`).

        The history recorded by then must be linearizable: a history that is not will not become so later.
        """
        ending = copy.copy(self)
        ending._max_s = min(max_s, self._max_s)  # noqa: SLF001 (a copy of our own)
        return ending

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> FaultPlan:
        """Return the plan that `run` draws for `seed`.

        Raises:
            PlanError: the profile does not exist, or the scenario has another number of nodes.
        """
        rng = random.Random(f"{self.name}/{seed}/plan")
        drawn = draw_plan(profile, rng, self._names(nodes), self._duration_s, level=self.level)
        faults = tuple(fault for fault in drawn.faults if fault.KIND not in self._excluded_kinds)
        return FaultPlan(drawn.nodes, faults, drawn.ends_at_s, drawn.profile)

    def run(
        self,
        seed: int,
        *,
        plan: FaultPlan | None = None,
        profile: str = "everything",
        nodes: int | None = None,
        operations: int | None = None,
        hashed: bool = False,
        traced: bool = False,
    ) -> RunResult:
        """Run `seed` and return the result; the arguments are those of `Scenario.run`.

        Raises:
            PlanError: `plan` has a fault unsupported at this level or exceeds its budget; the profile does not exist.
        """
        plan = plan or self.plan(seed, profile=profile, nodes=nodes)
        sim = Simulation(seed, plan=plan, max_s=self._max_s, max_rounds=operations, is_hashed=hashed, is_traced=traced)
        violation = self._violation(sim)
        check_result, history = _check_result(sim)
        is_enough = sim.operations >= self._min_operations or operations is not None or not is_live(plan)
        unknown = check_result is not None and bool(check_result.undecided)
        void = None if is_enough else f"only {sim.operations} operations were answered"
        return RunResult(
            seed=seed,
            violation=violation,
            void="the budget was too small to check the history" if unknown and void is None else void,
            operations=sim.operations,
            events=sim.world.loop.handled,
            simulated_s=sim.now(),
            planned=tuple(plan.kinds()) if is_live(plan) else (),
            fired=dict(sim.fault_counts.count_by_kind),
            digest=sim.digest if hashed else None,
            tail=() if violation is None else sim.tail,
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            history=history,
            linearizability=check_result,
            trace=_trace(sim, hashed=hashed) if traced else (),
            messages=sim.world.network.carried(),
        )

    def _violation(self, sim: Simulation) -> Violation | None:
        async def main() -> None:
            await self._program(sim)
            await sim.until(lambda: sim.injector.is_over, within_s=self._duration_s + MAX_END_DELAY_S)

        try:
            sim.run(main)
        except PlanError:
            raise
        except Violation as violation:
            return violation
        except SimulationStuck as stuck:
            return self._unfinished(sim, stuck)
        except Exception as error:  # noqa: BLE001 (any error of the program is the result of the run)
            return Violation("program", _error_text(error), node=None, step=sim.world.loop.handled, time_s=sim.now())
        return None

    def _unfinished(self, sim: Simulation, stuck: SimulationStuck) -> Violation:
        """Return the violation of a run that did not finish; a run cut short by `ending_at` is checked first."""
        if self._max_s < MAX_S and sim.recordings:
            try:
                sim.assert_linearizable()
            except Violation as violation:
                return violation
            except AssertionError:
                pass  # an undecided check is not a failure
        return Violation("program", _error_text(stuck), node=None, step=sim.world.loop.handled, time_s=sim.now())

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
    duration_s: float = PLAN_DURATION_S,
    min_operations: int = 0,
    excluded_kinds: Sequence[str] = (),
) -> Callable[[Program], SystemScenario]:
    """Make a scenario of an `async def` that takes a `Simulation`; the arguments are those of `SystemScenario`."""

    def make(program: Program) -> SystemScenario:
        scenario_name = name or str(getattr(program, "__name__", "scenario"))
        return SystemScenario(
            scenario_name,
            program,
            nodes=nodes,
            duration_s=duration_s,
            min_operations=min_operations,
            excluded_kinds=excluded_kinds,
        )

    return make


def _error_text(error: BaseException) -> str:
    """Return an error as one line; an exception group with its members."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, BaseExceptionGroup):
        return f"{text}: {'; '.join(map(_error_text, error.exceptions))}"
    return text


def _check_result(sim: Simulation) -> tuple[CheckResult | None, History | None]:
    """Return the check result to report, and its history: a violation if there is one, else the first."""
    for recording in sim.recordings:
        if recording.result is not None and recording.result.counterexample is not None:
            return recording.result, recording.history
    for recording in sim.recordings:
        return recording.result, recording.history
    return None, None


def _trace(sim: Simulation, *, hashed: bool) -> tuple[TraceLine, ...]:
    """Return the run log, or if `hashed` every step of the world, for the comparison of two runs."""
    if not hashed or sim.world.trace is None:
        return sim.trace
    return tuple(TraceLine(0.0, None, line) for line in sim.world.trace.lines)
