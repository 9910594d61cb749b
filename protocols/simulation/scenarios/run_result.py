"""`RunResult`: holds the result of one seed's run. `Summary`: holds the combined result of many seeds."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coterie.protocols.checking.linearizability import CheckResult, History
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.simulation.run_trace import TraceLine

__all__ = ["RunOutcome", "RunResult", "Summary", "combine", "summarise"]


class RunOutcome(enum.Enum):
    """Whether a run passed, failed, or is void."""

    PASSED = "passed"
    FAILED = "failed"
    VOID = "void"  # nothing broke, but too little happened to prove anything


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of the run of one seed.

    Attributes:
        seed: the seed.
        violation: the first broken invariant, None if none broke.
        void: why the run proves nothing, None if it is valid.
        operations: answered commands (Raft), or decisions and answers (Synod); a replay may request fewer.
        events: the events of the simulation.
        simulated_s: the simulated duration (s).
        planned: the kinds of faults that must take effect.
        fired: how often each kind of fault took effect.
        digest: the hash of the whole trace, None unless asked for.
        tail: the last records before a failure, one line each.
        profile: the profile of its plan.
        nodes: the names of the nodes.
        plan: the plan of the run; None for one instance of Synod.
        history: the operations of the clients, None if they were not recorded.
        linearizability: the result of checking that history, None if it was not checked.
        trace: all records of the run, in order; empty unless asked for.
        messages: what was sent into the simulated network: messages of algorithms, or writes of the systems'
            connections (mostly a frame with one message, or a keep-alive).
    """

    seed: int
    violation: Violation | None
    void: str | None
    operations: int
    events: int
    simulated_s: float
    planned: tuple[str, ...]
    fired: dict[str, int]
    digest: str | None
    tail: tuple[str, ...]
    profile: str = ""
    nodes: tuple[str, ...] = ()
    plan: FaultPlan | None = None
    history: History | None = None
    linearizability: CheckResult | None = None
    trace: tuple[TraceLine, ...] = ()
    messages: int = 0

    @property
    def outcome(self) -> RunOutcome:
        """FAILED if an invariant broke, else VOID if the run is void, else PASSED."""
        if self.violation is not None:
            return RunOutcome.FAILED
        return RunOutcome.PASSED if self.void is None and not self.missed() else RunOutcome.VOID

    def missed(self) -> list[str]:
        """Return the kinds of faults that were planned and never took effect."""
        return [name for name in self.planned if name not in self.fired]


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of the runs of many seeds.

    `fired`: how often each kind of fault took effect; `missed`: the kinds that were planned and never took effect.
    """

    seeds: int
    passed: int
    failed: int
    void: int
    operations: int
    events: int
    simulated_s: float
    failing_seeds: tuple[int, ...]
    void_seeds: tuple[int, ...]
    fired: Mapping[str, int]
    missed: tuple[str, ...]
    messages: int = 0

    @property
    def outcome(self) -> RunOutcome:
        """FAILED if any seed failed, VOID if any was void or there were no seeds, else PASSED."""
        if self.failed:
            return RunOutcome.FAILED
        return RunOutcome.VOID if self.void or not self.seeds else RunOutcome.PASSED


def combine(results: Sequence[RunResult]) -> RunResult:
    """Return the result of a seed that ran in several instances (at least one)."""
    last = results[-1]
    return replace(
        last,
        void=next((result.void for result in results if result.void is not None), None),
        operations=sum(result.operations for result in results),
        events=sum(result.events for result in results),
        simulated_s=sum(result.simulated_s for result in results),
        planned=tuple(sorted({name for result in results for name in result.planned})),
        fired=_total(results),
        digest=_combined_digest(results),
        trace=tuple(line for result in results for line in result.trace),
        messages=sum(result.messages for result in results),
    )


def summarise(results: Iterable[RunResult]) -> Summary:
    """Summarise `results`."""
    known: Sequence[RunResult] = list(results)
    failing = tuple(result.seed for result in known if result.outcome is RunOutcome.FAILED)
    void = tuple(result.seed for result in known if result.outcome is RunOutcome.VOID)
    fired = _total(known)
    planned = dict.fromkeys(name for result in known for name in result.planned)
    return Summary(
        seeds=len(known),
        passed=len(known) - len(failing) - len(void),
        failed=len(failing),
        void=len(void),
        operations=sum(result.operations for result in known),
        events=sum(result.events for result in known),
        simulated_s=sum(result.simulated_s for result in known),
        failing_seeds=failing,
        void_seeds=void,
        fired=fired,
        missed=tuple(sorted(name for name in planned if name not in fired)),
        messages=sum(result.messages for result in known),
    )


def _total(results: Sequence[RunResult]) -> dict[str, int]:
    fired: dict[str, int] = {}
    for result in results:
        for name, count in result.fired.items():
            fired[name] = fired.get(name, 0) + count
    return fired


def _combined_digest(results: Sequence[RunResult]) -> str | None:
    digests = [result.digest for result in results if result.digest is not None]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest() if digests else None
