"""`CutDetector`: finds the members of one view that crashed together, from the accusations of their observers.

The rules are those of Rapid's multi-process cut detection (USENIX ATC 2018, §4.2). A member has one observer on each of
K rings, and its tally is the number of rings on which it is accused:

    tally < L            noise: it is ignored
    L ≤ tally < H        in flux: no cut is made while any member is in this range
    H ≤ tally            stable: it belongs to the next cut

A cut holds all stable members, and is made when there is one and none in flux; so members that crash together leave
together, and a member about which its observers disagree holds up the decision instead of flickering. Two rules bound
how long it may:

* *implicit alerts*: an observer that is itself in flux or stable counts as accuser of a member in flux or stable,
  because one that has crashed does not accuse any more;
* *reinforcement*: a member that has been in flux for `reinforce_after_s` counts as accused on all rings.

Ours differs from the paper in this:

* one process decides, the leader of the view's group: observers send their alerts to it, and it reinforces by itself
  instead of asking the silent observers to join in;
* an alert may be withdrawn, when the observer hears the member again;
* a member is noise unless it has L rings without the accusers that are stable themselves. A member that hears nobody
  accuses everybody: few such members would hold up every cut with healthy ones, and expel them by reinforcement;
* implicit alerts count only after `implicit_after_s` in flux. Of few members, two that hear nobody are the first to
  accuse the rest, and each of the rest would confirm the others' crash before it has accused those two;
* where a view has three members or more, a member is noise until two of them accuse it, however many rings each has
  (it matters up to K members, where an observer has several rings). Implicit alerts do not count as such: one witness
  never expels anybody. So of three members of which two crash at once the last one removes none: an operator must;
* observers with which the leader has no link count as accusers of a member with which it has none either, once another
  member than the leader accuses that. If most members are cut off from the leader's side, their observers are mostly
  among themselves: without this rule none of them would ever leave the view, nor give up what they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from math import inf

from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.rings import RINGS, Rings, rings_of
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
        implicit_after_s: for how long two members must both have been in flux or stable before one counts as accuser of
            the other, s. Default 2.0: twice the spread of alerts about one event, if observers probe once a second. Too
            low: members that hear nobody expel others. Too high: members that crash together and observe each other
            leave that much later.
        reinforce_after_s: for how long a member may be in flux before it counts as accused on all rings, s. Default
            5.0: longer than the slowest observer takes to notice a crash that the fastest has noticed. Too low: members
            are expelled that some observers would have heard again soon. Too high: every cut waits that much longer.

    Raises:
        ValueError: not 1 ≤ low ≤ high ≤ rings, or not 0 ≤ implicit_after_s ≤ reinforce_after_s, finite and above 0.
    """

    rings: int = RINGS
    high: int = 9
    low: int = 4
    implicit_after_s: float = 2.0
    reinforce_after_s: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high <= self.rings:
            raise ValueError(
                f"watermarks must be 1 ≤ low ≤ high ≤ rings, not low={self.low}, high={self.high}, rings={self.rings}"
            )
        if not (0 <= self.implicit_after_s <= self.reinforce_after_s and 0 < self.reinforce_after_s < inf):
            raise ValueError(
                f"times must be 0 ≤ implicit_after_s ≤ reinforce_after_s, finite and above 0, "
                f"not {self.implicit_after_s} and {self.reinforce_after_s}"
            )


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
    """The alerts about the members of one view. Make a new one for each view: its rings are others.

    Args:
        view: the view.
        config: the settings.
        rings: those of the view, if they are known already.
    """

    __slots__ = ("_accusers", "_config", "_flux_since_s", "_high", "_leader", "_unlinked", "_witnesses", "rings")

    def __init__(self, view: View, config: CutConfig | None = None, *, rings: Rings | None = None) -> None:
        self._config = CutConfig() if config is None else config
        self.rings = rings_of(view, count=self._config.rings) if rings is None else rings
        """Who observes whom."""
        self._witnesses = 2 if len(self.rings.observers) >= 3 else 1
        self._accusers: dict[MemberId, dict[int, MemberId]] = {}
        self._high: dict[MemberId, None] = {}
        self._flux_since_s: dict[MemberId, float] = {}
        self._unlinked: frozenset[MemberId] = frozenset()
        self._leader: MemberId | None = None

    def accuse(self, alert: Alert, *, now: float) -> int:
        """Count an alert at monotonic time `now` (s); return on how many rings it counts that did not count before.

        0: it was known, or is ignored, because it is of another view, or its observer is not the one that the ring of
        this view names: another node, or another incarnation of it.
        """
        before = self._count(alert.subject)
        for ring in alert.rings:
            if self._is_valid(alert, ring):
                self._enter(alert, ring)
        self._note(alert.subject, now)
        return self._count(alert.subject) - before

    def withdraw(self, alert: Alert, *, now: float) -> int:
        """Take an alert back; return on how many rings it counted. What is valid is decided as in `accuse`."""
        before = self._count(alert.subject)
        for ring in alert.rings:
            if self._is_valid(alert, ring):
                self._accusers.get(alert.subject, {}).pop(ring, None)
        self._note(alert.subject, now)
        return before - self._count(alert.subject)

    def unlinked(self, members: frozenset[MemberId], leader: MemberId, *, now: float) -> None:
        """Take it that `leader`, where this detector runs, has no link with `members`."""
        if members != self._unlinked or leader != self._leader:
            self._unlinked, self._leader = members, leader
            for member in self._accusers:
                self._note_flux(member, now)

    def cut(self, *, now: float) -> Cut | None:
        """Return the members that are stable at `now`; None if there is none, or any is in flux."""
        suspects = self._suspects(now)
        if not suspects or not all(self._is_stable(suspect, suspects, now) for suspect in suspects):
            return None
        return Cut(self.rings.number, suspects)

    def in_flux(self, *, now: float) -> tuple[MemberId, ...]:
        """Return the members that hold up a cut at `now`, sorted."""
        suspects = self._suspects(now)
        return tuple(suspect for suspect in suspects if not self._is_stable(suspect, suspects, now))

    def tally(self, subject: MemberId, *, now: float) -> int:
        """Return the number of rings on which `subject` is accused at `now`, implicit alerts included."""
        return self._tally(subject, self._suspects(now), now)

    def deadline(self, *, now: float) -> float | None:
        """Return the next time (monotonic, s) at which the cut may be another without an alert; None: it stays."""
        if not self.in_flux(now=now):
            return None
        config = self._config
        times_s = (
            since_s + after_s
            for since_s in self._flux_since_s.values()
            for after_s in (config.implicit_after_s, config.reinforce_after_s)
        )
        return min((time_s for time_s in times_s if time_s > now), default=None)

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

    def _note(self, subject: MemberId, now: float) -> None:
        """Take account of a changed number of rings of `subject`."""
        was_high, is_high = subject in self._high, self._count(subject) >= self._config.high
        if is_high is was_high:
            self._note_flux(subject, now)
            return
        if is_high:
            self._high[subject] = None
        else:
            del self._high[subject]
        for member in self._accusers:
            self._note_flux(member, now)

    def _note_flux(self, subject: MemberId, now: float) -> None:
        """Remember since when the subject is in flux or stable by the alerts that observers gave themselves."""
        if self._is_suspected(subject, self._high):
            self._flux_since_s.setdefault(subject, now)
        else:
            self._flux_since_s.pop(subject, None)

    def _has_witnesses(self, accusers: Mapping[int, MemberId]) -> bool:
        return len(frozenset(accusers.values())) >= self._witnesses

    def _suspects(self, now: float) -> tuple[MemberId, ...]:
        """Return the members that are in flux or stable, sorted."""
        reinforced = dict.fromkeys(member for member in self._flux_since_s if self._is_reinforced(member, now))
        unheard = self._high | reinforced
        return tuple(member for member in sorted(self._flux_since_s) if self._is_suspected(member, unheard))

    def _is_suspected(self, member: MemberId, unheard: Container[MemberId]) -> bool:
        """Return whether the member has L rings, and enough witnesses, without the accusers in `unheard`."""
        believed = {ring: by for ring, by in self._accusers.get(member, {}).items() if by not in unheard}
        cut_off = self._rings_cut_off(member, believed)
        return len(believed) + cut_off >= self._config.low and (cut_off > 0 or self._has_witnesses(believed))

    def _rings_cut_off(self, member: MemberId, believed: Mapping[int, MemberId]) -> int:
        """Return on how many rings an observer could not accuse `member`, as it seems to be cut off with it."""
        others = [by for by in believed.values() if by != self._leader and by not in self._unlinked]
        if member not in self._unlinked or not others:
            return 0
        silent = (by in self._unlinked for ring, by in enumerate(self.rings.observers[member]) if ring not in believed)
        return sum(silent)

    def _is_stable(self, suspect: MemberId, suspects: Collection[MemberId], now: float) -> bool:
        return self._is_reinforced(suspect, now) or self._tally(suspect, suspects, now) >= self._config.high

    def _is_reinforced(self, suspect: MemberId, now: float) -> bool:
        return now >= self._flux_since_s[suspect] + self._config.reinforce_after_s

    def _tally(self, subject: MemberId, suspects: Collection[MemberId], now: float) -> int:
        known = self._accusers.get(subject, {})
        if subject not in suspects or not self._counts_implicitly(subject, now):
            return len(known)
        silent = frozenset(suspect for suspect in suspects if self._counts_implicitly(suspect, now))
        implicit = (ring for ring, by in enumerate(self.rings.observers[subject]) if ring not in known and by in silent)
        return len(known) + sum(1 for _ in implicit)

    def _counts_implicitly(self, suspect: MemberId, now: float) -> bool:
        return now >= self._flux_since_s[suspect] + self._config.implicit_after_s
