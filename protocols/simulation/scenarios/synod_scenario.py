"""`SynodScenario`: runs single-decree Paxos many times for one seed, each time under another part of the fault plan."""

from __future__ import annotations

import math
from dataclasses import replace

from coterie.protocols.checking.linearizability import Consensus, check
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Fault, Level
from coterie.protocols.faults.profiles.fault_profiles import draw_plan, draw_state_loss_nodes, is_live
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.scenarios.raft_scenario import expected_kinds
from coterie.protocols.simulation.scenarios.run_result import RunResult, combine
from coterie.protocols.simulation.scenarios.synod_run import SynodRun

__all__ = ["INSTANCES", "INSTANCE_S", "SynodScenario"]

INSTANCES = 16
MOST_ROUNDS = 10
"""How often an instance runs, with other random draws, if a kind of its faults has hit nothing so far."""

FAULTS = 7
INSTANCE_S = 1.5
"""The duration of one instance's part of a plan (s)."""

DRAWN_S = 0.9
"""The time within which the faults of one part begin (s), so that the last ones can take effect."""

EARLY_BIAS = 4.0
FEWEST_ANSWERED = 100


class SynodScenario:
    """Instances of Synod one after the other, with their checkers.

    Instance i runs under the faults of the plan between i and i + 1 times `INSTANCE_S`, with new nodes and empty
    disks.
    """

    name = "synod"
    level = Level.PROTOCOL

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> FaultPlan:
        """Return the plan that `run` would draw; without `nodes` the seed decides between three and five.

        Raises:
            PlanError: there is no such profile.
        """
        rng = stream(f"synod/{seed}", "plan")
        size = rng.choice((3, 5))
        names = [f"n{number}" for number in range(1, (nodes or size) + 1)]
        state_loss_nodes = draw_state_loss_nodes(profile, rng, names)
        parts = [
            draw_plan(
                profile,
                rng,
                names,
                DRAWN_S,
                level=self.level,
                faults=FAULTS,
                early_bias=EARLY_BIAS,
                state_loss_nodes=state_loss_nodes,
            )
            for _ in range(INSTANCES)
        ]
        faults = [
            replace(fault, at_s=fault.at_s + number * INSTANCE_S)
            for number, part in enumerate(parts)
            for fault in part.faults
        ]
        return FaultPlan(tuple(names), tuple(faults), INSTANCES * INSTANCE_S, profile)

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
        parts = _parts(plan)
        results: list[RunResult] = []
        left = operations
        for number in range(len(parts) * (MOST_ROUNDS if operations is None else 1)):
            name, part = f"synod/{seed}/{number}", parts[number % len(parts)]
            if number >= len(parts) and not _lacks(part, results):
                continue
            later_s = DRAWN_S * (number // len(parts)) / MOST_ROUNDS
            run = SynodRun(name, part, operations=left, later_s=later_s, hashed=hashed, traced=traced)
            result = _result(seed, part, run, traced=traced)
            results.append(result)
            left = None if left is None else left - result.operations
            if result.violation is not None or (left is not None and left <= 0):
                break
        return _whole(plan, results, is_usual=operations is None)


def _result(seed: int, part: FaultPlan, run: SynodRun, *, traced: bool) -> RunResult:
    violation = run.run()
    world = run.world
    return RunResult(
        seed=seed,
        violation=violation,
        void=None if run.checker.chosen is not None or not is_live(part) else "nothing was chosen",
        operations=run.answers,
        events=world.heap.events,
        simulated_s=world.now,
        planned=expected_kinds(part),
        fired=world.fault_counts.count_by_kind,
        digest=world.trace.digest(),
        tail=() if violation is None else tuple(world.trace.tail()),
        profile=part.profile or "",
        nodes=part.nodes,
        history=run.history,
        linearizability=None if run.history is None else check(run.history, Consensus()),
        trace=tuple(world.trace.lines()) if traced else (),
        messages=world.network.sent,
    )


def _lacks(part: FaultPlan, results: list[RunResult]) -> bool:
    fired = {name for result in results for name in result.fired}
    return any(name not in fired for name in expected_kinds(part))


def _parts(plan: FaultPlan) -> tuple[FaultPlan, ...]:
    """Split `plan` into the plans of its instances, each with its own times."""
    count = max(1, math.ceil(plan.ends_at_s / INSTANCE_S - 1e-6))
    faults: list[list[Fault]] = [[] for _ in range(count)]
    for fault in plan.faults:
        number = min(int(fault.at_s / INSTANCE_S + 1e-9), count - 1)
        at_s = min(max(fault.at_s - number * INSTANCE_S, 0.0), INSTANCE_S)
        faults[number].append(replace(fault, at_s=at_s))
    return tuple(FaultPlan(plan.nodes, tuple(part), INSTANCE_S, plan.profile) for part in faults)


def _whole(plan: FaultPlan, results: list[RunResult], *, is_usual: bool) -> RunResult:
    whole = replace(combine(results), plan=plan)
    is_enough = whole.operations >= FEWEST_ANSWERED or not is_usual or not is_live(plan)
    return whole if is_enough else replace(whole, void=f"only {whole.operations} requests were answered")
