"""`Accusations`: what the members of one view say about those that they observe, as a node of the group hears it.

Observers send all their accusations again every second (`MemberAlerts`), and say a few times that there are none any
more. What is not repeated for `ALERTS_LAST_S` counts no more: its observer has crashed, or what it said last was lost.

A new view does not begin at nothing: accusations by members that observe the accused in the new view, too, count as
from when they were made. Otherwise crashes would stay unnoticed while members come and go, second after second.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.membership.cut_detector import Alert, Cut, CutConfig, CutDetector
from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.node.membership_messages import MemberAlerts
from coterie.protocols.membership.rings import Rings
from coterie.protocols.membership.view import View

__all__ = ["Accusations"]

ALERTS_LAST_S: Final = 6.0
"""For how long alerts count, s: some of five repetitions arrive."""


class Accusations:
    """The alerts of the observers of one view. Times are monotonic, in seconds.

    Args:
        view: the view.
        config: the settings of the cut detector.
        rings: those of the view.
        before: the accusations in the view before.
    """

    __slots__ = ("_detector", "_heard_at", "_number", "_rings", "_since")

    def __init__(self, view: View, config: CutConfig, rings: Rings, before: Accusations | None = None) -> None:
        self._number = view.number
        self._rings = rings
        self._detector = CutDetector(view, config, rings=rings)
        self._heard_at: dict[MemberId, float] = {}
        self._since: dict[tuple[MemberId, MemberId], float] = {}
        if before is not None:
            self._carry_over(before)

    def take(self, alerts: MemberAlerts, *, now: float) -> None:
        """Take what an observer says; alerts of another view do not count."""
        if alerts.number == self._number:
            self._set(alerts.observer, alerts.accused, now)

    def expire(self, *, now: float) -> None:
        """Withdraw what has not been repeated."""
        for observer, heard_at in [*self._heard_at.items()]:
            if now >= heard_at + ALERTS_LAST_S:
                self._set(observer, (), now)

    def unlinked(self, members: frozenset[MemberId], leader: MemberId, *, now: float) -> None:
        """Take it that the leader has no link with `members`, see `CutDetector.unlinked`."""
        self._detector.unlinked(members, leader, now=now)

    def cut(self, *, now: float) -> Cut | None:
        """Return the members that crashed together, see `CutDetector.cut`."""
        return self._detector.cut(now=now)

    def deadline(self, *, now: float) -> float | None:
        """Return the next time at which the cut may be another without an alert; None: it stays."""
        times = [heard_at + ALERTS_LAST_S for heard_at in self._heard_at.values()]
        cut_at = self._detector.deadline(now=now)
        return min(times if cut_at is None else [*times, cut_at], default=None)

    def _carry_over(self, before: Accusations) -> None:
        for (observer, subject), since in sorted(before._since.items(), key=lambda item: item[1]):
            if self._accuse(observer, subject, now=since):
                self._heard_at[observer] = before._heard_at[observer]

    def _set(self, observer: MemberId, accused: tuple[MemberId, ...], now: float) -> None:
        was_heard = self._heard_at.pop(observer, None) is not None
        if not was_heard and not accused:
            return
        for subject in self._rings.subjects.get(observer, ()):
            if subject in accused:
                self._accuse(observer, subject, now=now)
                self._heard_at[observer] = now
            elif self._since.pop((observer, subject), None) is not None:
                self._detector.withdraw(self._alert(observer, subject), now=now)

    def _accuse(self, observer: MemberId, subject: MemberId, *, now: float) -> bool:
        """Count an accusation, if the observer observes the subject in this view; return whether it does."""
        alert = self._alert(observer, subject)
        if alert.rings and (observer, subject) not in self._since:
            self._since[observer, subject] = now
            self._detector.accuse(alert, now=now)
        return bool(alert.rings)

    def _alert(self, observer: MemberId, subject: MemberId) -> Alert:
        return Alert(self._number, observer, subject, self._rings.between(observer, subject))
