"""What a scenario is, for whoever runs many seeds of it; and those of the pure algorithms, by name.

A scenario of one's own is any object with these attributes: `coterie sim package.module:scenario` runs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.raft_scenario import RaftScenario
from coterie.protocols.simulation.scenarios.run_outcome import Verdict
from coterie.protocols.simulation.scenarios.synod_scenario import SynodScenario

__all__ = ["EVERYTHING", "SCENARIOS", "Endable", "Scenario"]

EVERYTHING = "everything"
"""The profile that is meant when none is named."""


class Scenario(Protocol):
    """Something that runs under faults, before judges. Everything follows from the arguments, in every process."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def level(self) -> Level:
        """At which level it carries plans out."""
        ...

    def plan(self, seed: int, *, profile: str = EVERYTHING, nodes: int | None = None) -> Plan:
        """Return the plan that `run` would give itself.

        Raises:
            PlanError: there is no such profile; or it is beyond the budget of so few nodes.
        """
        ...

    def run(
        self,
        seed: int,
        *,
        plan: Plan | None = None,
        profile: str = EVERYTHING,
        nodes: int | None = None,
        operations: int | None = None,
        hashed: bool = False,
        traced: bool = False,
    ) -> Verdict:
        """Run `seed` and say what it came to.

        Args:
            seed: what all chance is drawn from.
            plan: what to suffer, instead of a plan of `profile`; its nodes are the nodes.
            profile: which plan to draw if none is given.
            nodes: how many nodes (None: those of `plan`, or as the seed says).
            operations: the most that clients may ask for (None: the usual number); fewer than usual is never void.
            hashed: fill `Verdict.digest`.
            traced: fill `Verdict.trace` and, where clients are simulated, `history`: what happened, for people.
                Together with `hashed` the trace may be all that the hash covers instead: for comparisons.

        Raises:
            PlanError: `plan` has a fault that this level cannot carry out, or is beyond its budget; no such profile.
        """
        ...


@runtime_checkable
class Endable(Protocol):
    """A scenario whose runs can be ended early. A failure of it is cut down more quickly: few candidates fail."""

    def ending_at(self, max_s: float) -> Scenario:
        """Return the same scenario, whose runs end at `max_s` (simulated s) or a little later, wherever they are.

        Up to then they are the very same runs. What ends so is told as a failure of the invariant `program`.
        """
        ...


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in (RaftScenario(), SynodScenario())}
"""Those of the pure algorithms, by name."""
