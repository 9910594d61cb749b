"""Synod as a scenario: many small instances a seed, each under its own part of the seed's plan."""

from __future__ import annotations

import math
from dataclasses import replace

from coterie.protocols.checking.linearizability import Consensus, check
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Fault, Level
from coterie.protocols.faults.profiles.fault_profiles import draw_doomed, draw_plan, is_live
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.scenarios.raft_scenario import expected_firings
from coterie.protocols.simulation.scenarios.run_outcome import Verdict, combine
from coterie.protocols.simulation.scenarios.synod_run import SynodRun

__all__ = ["INSTANCES", "INSTANCE_S", "SynodScenario"]

INSTANCES = 16
MOST_ROUNDS = 10
"""How often an instance runs, with other chance, that has a kind of fault which has hit nothing so far."""

FAULTS = 7
INSTANCE_S = 1.5
"""The part of a plan that belongs to one instance (s)."""

DRAWN_S = 0.9
"""Within how much of that its faults begin: the last ones want to be seen too."""

HASTE = 4.0
FEWEST_ANSWERED = 100


class SynodScenario:
    """Instances of Synod one after the other, before their judge.

    Instance i suffers what a plan has between i and i + 1 times `INSTANCE_S`, and starts anew: its nodes have forgotten
    nothing, for they knew nothing.
    """

    name = "synod"
    level = Level.PROTOCOL

    def plan(self, seed: int, *, profile: str = "everything", nodes: int | None = None) -> Plan:
        """Return the plan that `run` would give itself; without `nodes` the seed says how many: three or five.

        Raises:
            PlanError: there is no such profile.
        """
        rng = stream(f"synod/{seed}", "plan")
        size = rng.choice((3, 5))
        names = [f"n{number}" for number in range(1, (nodes or size) + 1)]
        doomed = draw_doomed(profile, rng, names)
        parts = [
            draw_plan(profile, rng, names, DRAWN_S, level=self.level, faults=FAULTS, haste=HASTE, doomed=doomed)
            for _ in range(INSTANCES)
        ]
        faults = [
            replace(fault, at_s=fault.at_s + number * INSTANCE_S)
            for number, part in enumerate(parts)
            for fault in part.faults
        ]
        return Plan(tuple(names), tuple(faults), INSTANCES * INSTANCE_S, profile)

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
        parts = _parts(plan)
        verdicts: list[Verdict] = []
        left = operations
        for number in range(len(parts) * (MOST_ROUNDS if operations is None else 1)):
            name, part = f"synod/{seed}/{number}", parts[number % len(parts)]
            if number >= len(parts) and not _lacks(part, verdicts):
                continue
            later_s = DRAWN_S * (number // len(parts)) / MOST_ROUNDS
            run = SynodRun(name, part, operations=left, later_s=later_s, hashed=hashed, traced=traced)
            verdict = _verdict(seed, part, run, traced=traced)
            verdicts.append(verdict)
            left = None if left is None else left - verdict.operations
            if verdict.violation is not None or (left is not None and left <= 0):
                break
        return _whole(plan, verdicts, is_usual=operations is None)


def _verdict(seed: int, part: Plan, run: SynodRun, *, traced: bool) -> Verdict:
    violation = run.run()
    world = run.world
    return Verdict(
        seed=seed,
        violation=violation,
        void=None if run.judge.chosen is not None or not is_live(part) else "nothing was chosen",
        operations=run.answers,
        events=world.timeline.events,
        simulated_s=world.now,
        planned=expected_firings(part),
        fired=world.firings.count_by_kind,
        digest=world.trace.digest(),
        tail=() if violation is None else tuple(world.trace.tail()),
        profile=part.profile or "",
        nodes=part.nodes,
        history=run.history,
        linearizability=None if run.history is None else check(run.history, Consensus()),
        trace=tuple(world.trace.lines()) if traced else (),
        messages=world.network.sent,
    )


def _lacks(part: Plan, verdicts: list[Verdict]) -> bool:
    fired = {name for verdict in verdicts for name in verdict.fired}
    return any(name not in fired for name in expected_firings(part))


def _parts(plan: Plan) -> tuple[Plan, ...]:
    """Cut `plan` into the plans of its instances, each with times of its own."""
    count = max(1, math.ceil(plan.ends_at_s / INSTANCE_S - 1e-6))
    faults: list[list[Fault]] = [[] for _ in range(count)]
    for fault in plan.faults:
        number = min(int(fault.at_s / INSTANCE_S + 1e-9), count - 1)
        at_s = min(max(fault.at_s - number * INSTANCE_S, 0.0), INSTANCE_S)
        faults[number].append(replace(fault, at_s=at_s))
    return tuple(Plan(plan.nodes, tuple(part), INSTANCE_S, plan.profile) for part in faults)


def _whole(plan: Plan, verdicts: list[Verdict], *, is_usual: bool) -> Verdict:
    whole = replace(combine(verdicts), plan=plan)
    is_enough = whole.operations >= FEWEST_ANSWERED or not is_usual or not is_live(plan)
    return whole if is_enough else replace(whole, void=f"only {whole.operations} requests were answered")
