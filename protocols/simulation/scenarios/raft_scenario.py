"""`RaftScenario`: draws a fault plan for a Raft group from a seed, runs the group under it, and returns the result."""

from __future__ import annotations

from coterie.protocols.checking.linearizability import LogPositions, check
from coterie.protocols.faults.fault_budget import StateLoss, check_budget
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level, kind
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, is_live
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.scenarios.raft_run import COMMANDS, RaftRun
from coterie.protocols.simulation.scenarios.run_result import RunResult

__all__ = ["RaftScenario", "expected_kinds"]

FEWEST_COMMITTED = 100
SIZES = (3, 5, 5)
FAULTS = 24
SHORT_S = 30.0
LONG_S = 240.0
LONG_RUNS = 0.04
"""The fraction of seeds with plans that last for minutes: long downtimes and long think times."""


class RaftScenario:
    """A Raft group with ten clients, 1,000 commands and all checkers."""

    name = "raft"
    level = Level.PROTOCOL

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> FaultPlan:
        """Return the plan that `run` would draw; without `nodes` the seed decides between three and five.

        Raises:
            PlanError: there is no such profile.
        """
        rng = stream(f"raft/{seed}", "plan")
        duration_s = LONG_S if rng.random() < LONG_RUNS else SHORT_S
        size = (
            rng.choice(SIZES) if duration_s == SHORT_S else max(SIZES)
        )  # others must replace nodes that are down for minutes
        names = [f"n{number}" for number in range(1, (nodes or size) + 1)]
        return draw_plan(profile, rng, names, duration_s, level=self.level, faults=FAULTS)

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
            PlanError: `plan` has a fault that this level cannot carry out, or is beyond its budget; no such profile.
        """
        plan = plan or self.plan(seed, profile=profile, nodes=nodes)
        check_budget(plan)
        commands = COMMANDS if operations is None else min(operations, COMMANDS)
        run = RaftRun(f"raft/{seed}", plan, commands=commands, hashed=hashed, traced=traced)
        violation = run.run()
        committed = run.sessions_checker.acknowledged
        is_enough = committed >= FEWEST_COMMITTED or commands < COMMANDS or not is_live(plan)
        world = run.world
        return RunResult(
            seed=seed,
            violation=violation,
            void=None if is_enough else f"only {committed} commands were answered",
            operations=committed,
            events=world.heap.events,
            simulated_s=world.now,
            planned=expected_kinds(plan, is_changing=run.is_changing),
            fired=world.fault_counts.count_by_kind,
            digest=world.trace.digest(),
            tail=() if violation is None else tuple(world.trace.tail()),
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            history=run.history,
            linearizability=None if run.history is None else check(run.history, LogPositions()),
            trace=tuple(world.trace.lines()) if traced else (),
            messages=world.network.sent,
        )


def expected_kinds(plan: FaultPlan, *, is_changing: bool = False) -> tuple[str, ...]:
    """Return the names of the faults that must take effect, or the run of `plan` is void.

    All of them; beyond the budget, or if members change, only state losses: other faults cannot hit nodes that have
    ended permanently, or take no part any more.
    """
    if is_live(plan) and not is_changing:
        return tuple(plan.kinds())
    return tuple(sorted({kind(fault) for fault in plan.faults if isinstance(fault, StateLoss)}))
