"""`CutDetector`: finds the members of one view that crashed together, from the accusations of their observers.

The rules are those of Rapid's multi-process cut detection (USENIX ATC 2018, §4.2). A member has one observer on each of
K rings, and its tally is the number of rings on which it is accused:

    tally < L            noise: it is ignored
    L ≤ tally < H        in flux: no cut is made while any member is in this range
    H ≤ tally            stable: it belongs to the next cut

A cut holds all stable members, and is made when there is one and none in flux; so members that crash together leave
together, and a member about which its observers disagree holds up the decision instead of flickering. Two rules bound
how long it may:

* *implicit alerts*: an observer that is itself in flux or stable counts as accuser of a member in flux, because one
  that has crashed does not accuse any more;
* *reinforcement*: a member that has been in flux for `reinforce_after_s` counts as accused on all rings.

Ours differs from the paper in this:

* one process decides, the leader of the view's group: observers send their alerts to it, and it reinforces by itself
  instead of asking the silent observers to join in;
* an alert may be withdrawn, when the observer hears the member again;
* where a view has three members or more, a member is noise until two of them accuse it, however many rings each has
  (it matters up to K members, where an observer has several rings). Implicit alerts do not count as such: one witness
  never expels anybody. So of three members of which two crash at once the last one removes none: an operator must.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.rings import RINGS, rings_of
from coterie.protocols.membership.view import View

__all__ = ["Alert", "Cut", "CutConfig", "CutDetector"]


@dataclass(frozen=True, slots=True)
class CutConfig:
    """The settings of a cut detector; the same on all nodes of a cluster.

    Attributes:
        rings: K, the number of observers of a member. Default 10 (paper §7). Too low: few witnesses, so that H and L
            lie close together. Too high: each member probes that many others.
        high: H, the tally from which a member is stable. Default 9, of the authors' code. Too low: a few bad links
            expel a member. Too high: one bad link leaves the decision to reinforcement, which takes longer.
        low: L, the tally from which a member is in flux. Default 4, of the authors' code (the paper has 3). Too low: a
            few bad links hold up every cut. Too high: members that crash together leave one by one.
        reinforce_after_s: for how long a member may be in flux before it counts as accused on all rings, s. Default
            5.0: longer than the slowest observer takes to notice a crash that the fastest has noticed. Too low: members
            are expelled that some observers would have heard again soon. Too high: every cut waits that much longer.

    Raises:
        ValueError: not 1 ≤ low ≤ high ≤ rings, or the time is not above 0.
    """

    rings: int = RINGS
    high: int = 9
    low: int = 4
    reinforce_after_s: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= self.rings:
            raise ValueError(
                f"watermarks must be 1 ≤ low ≤ high ≤ rings, not low={self.low}, high={self.high}, rings={self.rings}"
            )
        if not self.reinforce_after_s > 0:
            raise ValueError(f"reinforce_after_s must be above 0, not {self.reinforce_after_s}")


@dataclass(frozen=True, slots=True)
class Alert:
    """An observer does not hear a member any more; or, when it is withdrawn, hears it again.

    Attributes:
        number: the view in which it observes.
        observer: the accuser.
        subject: the accused.
        rings: on which rings, as `Rings.between` of that view says.
    """

    number: ViewNumber
    observer: MemberId
    subject: MemberId
    rings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Members of view `number` that crashed together: what to propose as `Expel`.

    Attributes:
        number: the view.
        members: the stable members, sorted.
    """

    number: ViewNumber
    members: tuple[MemberId, ...]


class CutDetector:
    """The alerts about the members of one view. Make a new one for each view: its rings are others."""

    __slots__ = ("_accusers", "_config", "_flux_since_s", "_witnesses", "rings")

    def __init__(self, view: View, config: CutConfig | None = None) -> None:
        self._config = CutConfig() if config is None else config
        self.rings = rings_of(view, count=self._config.rings)
        """Who observes whom."""
        self._witnesses = 2 if len(self.rings.observers) >= 3 else 1
        self._accusers: dict[MemberId, dict[int, MemberId]] = {}
        self._flux_since_s: dict[MemberId, float] = {}

    def accuse(self, alert: Alert, *, now: float) -> int:
        """Count an alert at monotonic time `now` (s); return on how many rings it counts that did not count before.

        0: it was known, or is ignored, because it is of another view, or its observer is not the one that the ring of
        this view names: another node, or another incarnation of it.
        """
        before = self._count(alert.subject)
        for ring in alert.rings:
            if self._is_valid(alert, ring):
                self._enter(alert, ring)
        self._note_flux(alert.subject, now)
        return self._count(alert.subject) - before

    def withdraw(self, alert: Alert, *, now: float) -> int:
        """Take an alert back; return on how many rings it counted. What is valid is decided as in `accuse`."""
        before = self._count(alert.subject)
        for ring in alert.rings:
            if self._is_valid(alert, ring):
                self._accusers.get(alert.subject, {}).pop(ring, None)
        self._note_flux(alert.subject, now)
        return before - self._count(alert.subject)

    def cut(self, *, now: float) -> Cut | None:
        """Return the members that are stable at `now`; None if there is none, or any is in flux."""
        suspects = sorted(self._flux_since_s)
        if not suspects or not all(self._is_stable(suspect, now) for suspect in suspects):
            return None
        return Cut(self.rings.number, tuple(suspects))

    def tally(self, subject: MemberId) -> int:
        """Return the number of rings on which `subject` is accused, implicit alerts included."""
        known = self._accusers.get(subject, {})
        if subject not in self._flux_since_s:
            return len(known)
        observers = self.rings.observers[subject]
        implicit = [ring for ring, named in enumerate(observers) if ring not in known and named in self._flux_since_s]
        return len(known) + len(implicit)

    def in_flux(self, *, now: float) -> tuple[MemberId, ...]:
        """Return the members that hold up a cut at `now`, sorted."""
        return tuple(it for it in sorted(self._flux_since_s) if not self._is_stable(it, now))

    def deadline(self, *, now: float) -> float | None:
        """Return the next time (monotonic, s) at which a member is reinforced: ask for the cut then. None: none is."""
        waiting_s = [self._flux_since_s[member] for member in self.in_flux(now=now)]
        return min(waiting_s) + self._config.reinforce_after_s if waiting_s else None

    def _is_valid(self, alert: Alert, ring: int) -> bool:
        """Return whether the alert is of this view, and its observer observes its subject on this ring."""
        observers = self.rings.observers.get(alert.subject, ())
        of_this_view = alert.number == self.rings.number
        return of_this_view and 0 <= ring < len(observers) and observers[ring] == alert.observer

    def _enter(self, alert: Alert, ring: int) -> None:
        self._accusers.setdefault(alert.subject, {})[ring] = alert.observer

    def _count(self, subject: MemberId) -> int:
        """Return the number of rings on which observers themselves accuse `subject`."""
        return len(self._accusers.get(subject, {}))

    def _note_flux(self, subject: MemberId, now: float) -> None:
        """Remember since when the subject is in flux or stable, by the alerts that observers gave themselves."""
        known = self._accusers.get(subject, {})
        if self._count(subject) >= self._config.low and self._has_witnesses(known):
            self._flux_since_s.setdefault(subject, now)
        else:
            self._flux_since_s.pop(subject, None)

    def _has_witnesses(self, accusers: dict[int, MemberId]) -> bool:
        return len(frozenset(accusers.values())) >= self._witnesses

    def _is_stable(self, suspect: MemberId, now: float) -> bool:
        reinforced = now >= self._flux_since_s[suspect] + self._config.reinforce_after_s
        return reinforced or self.tally(suspect) >= self._config.high
