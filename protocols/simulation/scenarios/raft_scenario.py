"""Raft as a scenario: which plan a seed gives itself, and what a run of it comes to."""

from __future__ import annotations

from coterie.protocols.checking.linearizability import Places, check
from coterie.protocols.faults.fault_budget import Forgetting, check_budget
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level, kind
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, is_live
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.scenarios.raft_run import COMMANDS, RaftRun
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["RaftScenario", "expected_firings"]

FEWEST_COMMITTED = 100
SIZES = (3, 5, 5)
FAULTS = 24
SHORT_S = 30.0
LONG_S = 240.0
LONG_RUNS = 0.04
"""The part of the seeds whose plans last for minutes: nodes stay down for minutes, and clients think for long."""


class RaftScenario:
    """A Raft group with ten clients and 1,000 commands, before every judge."""

    name = "raft"
    level = Level.PROTOCOL

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> Plan:
        """Return the plan that `run` would give itself; without `nodes` the seed says how many: three or five.

        Raises:
            PlanError: there is no such profile.
        """
        rng = stream(f"raft/{seed}", "plan")
        duration_s = LONG_S if rng.random() < LONG_RUNS else SHORT_S
        size = (
            rng.choice(SIZES) if duration_s == SHORT_S else max(SIZES)
        )  # who is away for minutes, others must replace
        names = [f"n{number}" for number in range(1, (nodes or size) + 1)]
        return draw_plan(profile, rng, names, duration_s, level=self.level, faults=FAULTS)

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
        check_budget(plan)
        commands = COMMANDS if operations is None else min(operations, COMMANDS)
        run = RaftRun(f"raft/{seed}", plan, commands=commands, hashed=hashed, traced=traced)
        violation = run.run()
        committed = run.sessions_judge.acknowledged
        is_enough = committed >= FEWEST_COMMITTED or commands < COMMANDS or not is_live(plan)
        world = run.world
        return Verdict(
            seed=seed,
            violation=violation,
            void=None if is_enough else f"only {committed} commands were answered",
            operations=committed,
            events=world.timeline.events,
            simulated_s=world.now,
            planned=expected_firings(plan),
            fired=world.firings.count_by_kind,
            digest=world.trace.digest(),
            tail=() if violation is None else tuple(world.trace.tail()),
            profile=plan.profile or "",
            nodes=plan.nodes,
            plan=plan,
            history=run.history,
            linearizability=None if run.history is None else check(run.history, Places()),
            trace=tuple(world.trace.lines()) if traced else (),
            messages=world.network.sent,
        )


def expected_firings(plan: Plan) -> tuple[str, ...]:
    """Return the kinds that must fire for a run of `plan` to mean anything.

    All of them; beyond the budget only those by which replicas forget: who has stopped for good can be hit by nothing.
    """
    if is_live(plan):
        return tuple(plan.kinds())
    return tuple(sorted({kind(fault) for fault in plan.faults if isinstance(fault, Forgetting)}))
