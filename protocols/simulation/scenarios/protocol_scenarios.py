"""`Scenario`: defines the interface of a test run under faults. `SCENARIOS`: lists the scenarios of Raft and Synod.

Any object with these attributes is a scenario: `coterie sim package.module:scenario` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.raft_scenario import RaftScenario
from coterie.protocols.simulation.scenarios.run_result import RunResult
from coterie.protocols.simulation.scenarios.synod_scenario import SynodScenario

__all__ = ["EVERYTHING", "SCENARIOS", "Endable", "Scenario"]

EVERYTHING = "everything"
"""The default profile."""


class Scenario(Protocol):
    """A system that runs under faults and checkers. The arguments determine a run completely, in every process."""

    @property
    def name(self) -> str:
        """Its name on the command line and in reports."""
        ...

    @property
    def level(self) -> Level:
        """The level at which it carries plans out."""
        ...

    def plan(self, seed: int, *, profile: str = EVERYTHING, nodes: int | None = None) -> FaultPlan:
        """Return the plan that `run` would draw.

        Raises:
            PlanError: there is no such profile; or it is beyond the budget of so few nodes.
        """
        ...

    def run(
        self,
        seed: int,
        *,
        plan: FaultPlan | None = None,
        profile: str = EVERYTHING,
        nodes: int | None = None,
        operations: int | None = None,
        hashed: bool = False,
        traced: bool = False,
    ) -> RunResult:
        """Run `seed` and return the result.

        Args:
            seed: the source of all random draws.
            plan: the plan to carry out instead of one drawn from `profile`; its nodes are the nodes.
            profile: the profile from which a plan is drawn if none is given.
            nodes: how many nodes (None: those of `plan`, or drawn from the seed).
            operations: the most that clients may request (None: the default number). A run with fewer operations than
                the default is never void for having too few.
            hashed: fill `RunResult.digest`.
            traced: fill `RunResult.trace` and, where clients are simulated, `history`. Together with `hashed` the trace
                may instead contain all that the hash covers, for comparisons.

        Raises:
            PlanError: `plan` has a fault that this level cannot carry out, or is beyond its budget; no such profile.
        """
        ...


@runtime_checkable
class Endable(Protocol):
    """A scenario whose runs can be ended early, which makes shrinking quicker: most candidates do not fail."""

    def ending_at(self, max_s: float) -> Scenario:
        """Return the same scenario, whose runs end at `max_s` (simulated s) or a little later, finished or not.

        Until then the runs are identical. A run that ends so is reported as a failure of the invariant `program`.
        """
        ...


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in (RaftScenario(), SynodScenario())}
"""The scenarios of the pure algorithms, by name."""
