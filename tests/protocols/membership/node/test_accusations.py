"""What members say about each other: repeated or it lapses, of this view, and kept from one view to the next."""

from __future__ import annotations

from coterie.protocols.membership.cut_detector import CutConfig
from coterie.protocols.membership.members import MemberId, ViewNumber
from coterie.protocols.membership.node.accusations import ALERTS_LAST_S, Accusations
from coterie.protocols.membership.node.membership_messages import MemberAlerts
from coterie.protocols.membership.rings import Rings, rings_of
from coterie.protocols.membership.view import View
from coterie.protocols.simulation.directed.view_trials import view_of


class Heard:
    """Accusations of a view, whose last member is accused."""

    def __init__(self, view: View, before: Accusations | None = None) -> None:
        self.rings: Rings = rings_of(view)
        self.made = Accusations(view, CutConfig(), self.rings, before)
        self.subject = view.members[-1].identity
        self.observers = sorted(set(self.rings.observers[self.subject]))
        self.number = view.number

    def say(self, observer: MemberId, *accused: MemberId, now: float, number: int | None = None) -> None:
        self.made.take(MemberAlerts(ViewNumber(self.number if number is None else number), observer, accused), now=now)

    def cut(self, now: float) -> tuple[MemberId, ...]:
        found = self.made.cut(now=now)
        return () if found is None else found.members


def test_a_member_that_all_observers_accuse_is_cut_out_and_one_is_not_enough() -> None:
    heard = Heard(view_of(5))
    heard.say(heard.observers[0], heard.subject, now=0.0)
    assert heard.cut(now=5.9) == ()
    for observer in heard.observers[1:]:
        heard.say(observer, heard.subject, now=5.0)

    assert heard.cut(now=5.0) == (heard.subject,)


def test_alerts_of_another_view_or_by_members_that_do_not_observe_mean_nothing() -> None:
    heard = Heard(view_of(30))
    for observer in heard.observers:
        for number in (heard.number - 1, heard.number + 1):
            heard.say(observer, heard.subject, now=0.0, number=number)
    for other in view_of(30).members:
        if other.identity not in heard.observers:
            heard.say(other.identity, heard.subject, now=0.0)
    assert heard.cut(now=100.0) == ()


def test_an_accusation_is_withdrawn_by_the_next_alerts_without_it() -> None:
    heard = Heard(view_of(5))
    for observer in heard.observers:
        heard.say(observer, heard.subject, now=0.0)
        heard.say(observer, now=1.0)

    assert (heard.cut(now=100.0), heard.made.deadline(now=1.0)) == ((), None)


def test_an_accusation_that_is_not_repeated_lapses() -> None:
    """Its observer has taken it back, and all of that was lost; or it has crashed."""
    heard = Heard(view_of(12))
    for observer in heard.observers[:2]:
        heard.say(observer, heard.subject, now=0.0)
    assert heard.made.deadline(now=0.0) == ALERTS_LAST_S
    heard.made.expire(now=ALERTS_LAST_S)
    for observer in heard.observers[2:4]:
        heard.say(observer, heard.subject, now=ALERTS_LAST_S)

    alone = Heard(view_of(12))
    for observer in alone.observers[2:4]:
        alone.say(observer, alone.subject, now=ALERTS_LAST_S)
    later = ALERTS_LAST_S + 5.5
    assert heard.cut(now=later) == alone.cut(now=later)


def test_accusations_count_on_in_the_next_view_as_from_when_they_were_made() -> None:
    """Otherwise no crash is noticed while one node joins after the other."""
    heard = Heard(view_of(5))
    for observer in heard.observers[:2]:
        heard.say(observer, heard.subject, now=0.0)
    after = View(ViewNumber(heard.number + 1), view_of(5).members)
    late = Heard(after, heard.made)

    assert late.cut(now=4.9) == ()
    assert late.cut(now=5.0) == heard.cut(now=5.0) == (heard.subject,)
    late.made.expire(now=ALERTS_LAST_S)
    assert late.cut(now=ALERTS_LAST_S) == ()


def test_accusations_of_and_by_members_that_are_gone_are_forgotten_with_the_view() -> None:
    heard = Heard(view_of(5))
    for observer in heard.observers:
        heard.say(observer, heard.subject, now=0.0)
    assert Heard(view_of(4), heard.made).cut(now=9.0) == ()
