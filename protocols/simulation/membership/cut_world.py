"""`CutWorld`: runs the cut detector of one leader over the probes of many members, and counts views and wrong removals.

It is the set-up of Rapid's evaluation (USENIX ATC 2018, §7): every member probes its subjects once a second; an edge
fails when 40 % of the last ten probes were lost, which raises an alert, and recovers below that, which withdraws it.
Alerts go to the leader every 0.1 s, and again until they arrive. The leader proposes each cut at once; the new view is
in force 0.1 s later, with new rings and empty windows of probes.

Only faulty members lose messages, so that all other edges need no simulation. The leader itself has no fault, and sees
what the observers see: this world shows the cut detector, not the agreement.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coterie.protocols.membership.cut_detector import Alert, CutConfig, CutDetector
from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import Expel
from coterie.protocols.membership.view_decisions import Decided, decide

__all__ = ["CutReport", "CutWorld", "Fault"]

STEPS_PER_S: Final = 10
WINDOW: Final = 10
FAILED_MIN: Final = 4
"""Lost probes of the last `WINDOW` from which an edge has failed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a member from the start on.

    Attributes:
        ingress_loss: the probability that a message to it is lost.
        egress_loss: the probability that a message from it is lost.
        on_s: how long the fault lasts each time, s.
        off_s: how long the member is healthy in between, s; 0: the fault never ends.
        is_crash: it does nothing at all.
    """

    ingress_loss: float = 0.0
    egress_loss: float = 0.0
    on_s: float = 20.0
    off_s: float = 0.0
    is_crash: bool = False

    def is_on(self, now: float) -> bool:
        """Return whether the member is faulty at `now` (s)."""
        return self.off_s == 0 or now % (self.on_s + self.off_s) < self.on_s


@dataclass(frozen=True, slots=True)
class CutReport:
    """What became of a view.

    Attributes:
        cuts: when each view came into force (s), and whom it expelled.
        wrong: members that were expelled without a fault.
        missing: members with a fault that are still in.
    """

    cuts: tuple[tuple[float, tuple[MemberId, ...]], ...]
    wrong: tuple[MemberId, ...]
    missing: tuple[MemberId, ...]

    @property
    def stable_s(self) -> float:
        """When the last view came into force, s; 0 if there was none."""
        return self.cuts[-1][0] if self.cuts else 0.0


@dataclass(slots=True)
class _Edge:
    """One observer and one subject. `lost` has a bit for each of the last probes."""

    observer: MemberId
    subject: MemberId
    alert: Alert
    step: int
    lost: int = 0
    has_failed: bool = False
    has_arrived: bool = True


@dataclass(slots=True)
class CutWorld:
    """Members and their faults.

    Attributes:
        view: the present view; all its members are up.
        faults: by member, what is wrong with it.
        rng: draws the phase of each probe and every loss.
        config: the settings of the cut detector.
    """

    view: View
    faults: Mapping[MemberId, Fault]
    rng: random.Random
    config: CutConfig = field(default_factory=CutConfig)
    _detector: CutDetector = field(init=False)
    _edges: Sequence[_Edge] = field(init=False, default=())
    _cuts: list[tuple[float, tuple[MemberId, ...]]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._enter_view()

    def run(self, duration_s: float) -> CutReport:
        """Simulate from the beginning of the faults on, and report."""
        for step in range(round(duration_s * STEPS_PER_S)):
            now = step / STEPS_PER_S
            for edge in self._edges:
                if edge.step == step % STEPS_PER_S:
                    self._probe(edge, now)
                if not edge.has_arrived:
                    self._send_alert(edge, now)
            self._cut(now)
        expelled = [member for _, members in self._cuts for member in members]
        wrong = tuple(member for member in expelled if member not in self.faults)
        return CutReport(tuple(self._cuts), wrong, tuple(it for it in sorted(self.faults) if it not in expelled))

    def _enter_view(self) -> None:
        self._detector = CutDetector(self.view, self.config)
        rings = self._detector.rings
        self._edges = [
            _Edge(
                observer,
                subject,
                Alert(self.view.number, observer, subject, rings.between(observer, subject)),
                self.rng.randrange(STEPS_PER_S),
            )
            for observer, subjects in rings.subjects.items()
            for subject in subjects
            if (observer in self.faults or subject in self.faults) and not self._has_crashed(observer)
        ]

    def _probe(self, edge: _Edge, now: float) -> None:
        ways = ((edge.observer, edge.subject), (edge.subject, edge.observer))
        is_lost = self._has_crashed(edge.subject) or any(self._loses(*way, now) for way in ways)
        edge.lost = (edge.lost << 1 | is_lost) & ((1 << WINDOW) - 1)
        has_failed = edge.lost.bit_count() >= FAILED_MIN
        if has_failed is not edge.has_failed:
            edge.has_failed, edge.has_arrived = has_failed, False

    def _send_alert(self, edge: _Edge, now: float) -> None:
        fault = self.faults.get(edge.observer)
        if fault is not None and fault.is_on(now) and self.rng.random() < fault.egress_loss:
            return
        edge.has_arrived = True
        if edge.has_failed:
            self._detector.accuse(edge.alert, now=now)
        else:
            self._detector.withdraw(edge.alert, now=now)

    def _cut(self, now: float) -> None:
        cut = self._detector.cut(now=now)
        if cut is None:
            return
        decision = decide(self.view, Expel(cut.members, cut.number))
        if isinstance(decision, Decided) and decision.is_change:
            self.view = decision.view
            self._cuts.append((now + 1 / STEPS_PER_S, cut.members))
            self._enter_view()

    def _has_crashed(self, member: MemberId) -> bool:
        return member in self.faults and self.faults[member].is_crash

    def _loses(self, sender: MemberId, target: MemberId, now: float) -> bool:
        loss = 1.0
        for fault, part in ((self.faults.get(sender), "egress"), (self.faults.get(target), "ingress")):
            if fault is not None and fault.is_on(now):
                loss *= 1 - (fault.egress_loss if part == "egress" else fault.ingress_loss)
        return self.rng.random() >= loss
