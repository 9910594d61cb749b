"""What a seed came to, and what many seeds did."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.linearizability import Verdict as Linearizability
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.simulation.run_trace import TraceLine

__all__ = ["Outcome", "Summary", "Verdict", "combine", "summarise"]


class Outcome(enum.Enum):
    """How a seed ended."""

    PASSED = "passed"
    FAILED = "failed"
    VOID = "void"  # nothing broke, but too little happened to mean anything


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one seed came to.

    Attributes:
        seed: the seed.
        violation: the first broken invariant, None if none broke.
        void: why the run means nothing, None if it does.
        operations: commands that were answered (Raft), decisions and answers (Synod): a replay may ask for fewer.
        events: steps of the simulation.
        simulated_s: how long it took in simulated time.
        planned: the kinds of faults in the plan.
        fired: how often each kind of fault took effect.
        digest: the hash of the whole trace, None unless asked for.
        tail: the last records before a failure, one line each.
        profile: where its plan came from.
        nodes: the names of the nodes.
        plan: what the run suffered; None if it had none of its own (Synod's instances, which have one each).
        history: what the clients saw, None if nobody recorded it.
        linearizability: how that history was judged, None if it was not.
        trace: everything that happened, in order; empty unless asked for.
        messages: what came into the simulated network: messages of algorithms, or writes of the systems' connections
            (mostly a frame with one message, or a keep-alive).
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
    plan: Plan | None = None
    history: History | None = None
    linearizability: Linearizability | None = None
    trace: tuple[TraceLine, ...] = ()
    messages: int = 0

    @property
    def outcome(self) -> Outcome:
        """How it ended: a violation counts more than a void run."""
        if self.violation is not None:
            return Outcome.FAILED
        return Outcome.PASSED if self.void is None and not self.missed() else Outcome.VOID

    def missed(self) -> list[str]:
        """Return the kinds of faults that were planned and never took effect."""
        return [name for name in self.planned if name not in self.fired]


@dataclass(frozen=True, slots=True)
class Summary:
    """What many seeds came to.

    `fired`: how often each kind of fault took effect; `missed`: the kinds that were planned and never did.
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
    def outcome(self) -> Outcome:
        """FAILED if any seed failed, VOID if any (or all of none) was void, else PASSED."""
        if self.failed:
            return Outcome.FAILED
        return Outcome.VOID if self.void or not self.seeds else Outcome.PASSED


def combine(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a seed that ran in several instances (at least one)."""
    last = verdicts[-1]
    return replace(
        last,
        void=next((verdict.void for verdict in verdicts if verdict.void is not None), None),
        operations=sum(verdict.operations for verdict in verdicts),
        events=sum(verdict.events for verdict in verdicts),
        simulated_s=sum(verdict.simulated_s for verdict in verdicts),
        planned=tuple(sorted({name for verdict in verdicts for name in verdict.planned})),
        fired=_total(verdicts),
        digest=_combined_digest(verdicts),
        trace=tuple(line for verdict in verdicts for line in verdict.trace),
        messages=sum(verdict.messages for verdict in verdicts),
    )


def summarise(verdicts: Iterable[Verdict]) -> Summary:
    """Add up `verdicts`."""
    known: Sequence[Verdict] = list(verdicts)
    failing = tuple(verdict.seed for verdict in known if verdict.outcome is Outcome.FAILED)
    void = tuple(verdict.seed for verdict in known if verdict.outcome is Outcome.VOID)
    fired = _total(known)
    planned = dict.fromkeys(name for verdict in known for name in verdict.planned)
    return Summary(
        seeds=len(known),
        passed=len(known) - len(failing) - len(void),
        failed=len(failing),
        void=len(void),
        operations=sum(verdict.operations for verdict in known),
        events=sum(verdict.events for verdict in known),
        simulated_s=sum(verdict.simulated_s for verdict in known),
        failing_seeds=failing,
        void_seeds=void,
        fired=fired,
        missed=tuple(sorted(name for name in planned if name not in fired)),
        messages=sum(verdict.messages for verdict in known),
    )


def _total(verdicts: Sequence[Verdict]) -> dict[str, int]:
    fired: dict[str, int] = {}
    for verdict in verdicts:
        for name, count in verdict.fired.items():
            fired[name] = fired.get(name, 0) + count
    return fired


def _combined_digest(verdicts: Sequence[Verdict]) -> str | None:
    digests = [verdict.digest for verdict in verdicts if verdict.digest is not None]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest() if digests else None
