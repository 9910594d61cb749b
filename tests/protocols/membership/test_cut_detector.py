"""Cut detection, rule by rule of Rapid (USENIX ATC 2018, §4.2), and where ours differs on purpose."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from coterie.protocols.membership.cut_detector import Alert, Cut, CutConfig, CutDetector
from coterie.protocols.membership.members import Incarnation, MemberId, ViewNumber
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Join
from coterie.protocols.membership.view_decisions import decide_together
from coterie.protocols.simulation.directed.view_trials import view_of


class Observers:
    """The members of a view that accuse each other, as a test says."""

    def __init__(self, view: View, config: CutConfig | None = None) -> None:
        self.detector = CutDetector(view, config)
        self.ids = [member.identity for member in view.present]

    def of(self, subject: MemberId) -> list[MemberId]:
        return list(dict.fromkeys(self.detector.rings.observers[subject]))

    def alert(self, observer: MemberId, subject: MemberId) -> Alert:
        return Alert(self.detector.rings.number, observer, subject, self.detector.rings.between(observer, subject))

    def accuse(self, subject: MemberId, rings: Iterable[int], *, now: float = 0.0) -> None:
        """Accuse on these rings, each in an alert of its own."""
        for ring in rings:
            observer = self.detector.rings.observers[subject][ring]
            self.detector.accuse(Alert(self.detector.rings.number, observer, subject, (ring,)), now=now)

    def all_accuse(self, subjects: Sequence[MemberId], *, now: float = 0.0) -> None:
        """Let all members that are no subjects themselves accuse those that they observe."""
        for subject in subjects:
            for observer in self.of(subject):
                if observer not in subjects:
                    self.detector.accuse(self.alert(observer, subject), now=now)

    def cut(self, *, now: float = 0.0) -> list[MemberId] | None:
        found = self.detector.cut(now=now)
        return None if found is None else list(found.members)


def far_from(observers: Observers, subject: MemberId) -> MemberId:
    """Return a member that neither observes `subject` nor is observed by it."""
    near = {subject, *observers.of(subject), *observers.detector.rings.subjects[subject]}
    return next(member for member in observers.ids if member not in near)


# --- watermarks


def test_below_l_an_accusation_is_noise_and_holds_nothing_up() -> None:
    observers = Observers(view_of(50))
    noisy, crashed = observers.ids[0], far_from(observers, observers.ids[0])
    observers.accuse(noisy, range(3))
    assert observers.cut(now=1e9) is None

    observers.accuse(crashed, range(9))
    assert observers.cut() == [crashed]


def test_between_l_and_h_a_member_holds_up_every_cut_until_it_is_stable() -> None:
    observers = Observers(view_of(50))
    slow, crashed = observers.ids[0], far_from(observers, observers.ids[0])
    observers.accuse(slow, range(4))
    observers.accuse(crashed, range(10))
    assert observers.cut() is None
    assert observers.detector.in_flux(now=0.0) == (slow,)

    observers.accuse(slow, range(4, 8))
    assert observers.cut() is None
    observers.accuse(slow, [8])
    assert observers.cut() == sorted([slow, crashed])


def test_from_h_on_a_member_is_in_the_cut() -> None:
    observers = Observers(view_of(50))
    for ring in range(8):
        observers.accuse(observers.ids[0], [ring])
        assert observers.cut() is None
    observers.accuse(observers.ids[0], [8])
    assert observers.detector.cut(now=0.0) == Cut(view_of(50).number, (observers.ids[0],))


# --- which alerts count


def test_an_alert_counts_once_a_ring_however_often_it_arrives() -> None:
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    alert = observers.alert(observers.detector.rings.observers[subject][0], subject)
    twice = Alert(alert.number, alert.observer, subject, alert.rings * 2)

    assert [observers.detector.accuse(it, now=0.0) for it in (twice, alert, alert)] == [len(alert.rings), 0, 0]
    assert observers.detector.tally(subject, now=0.0) == len(alert.rings)


def test_alerts_of_other_views_observers_incarnations_and_rings_are_ignored() -> None:
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    good = observers.alert(observers.of(subject)[0], subject)
    stranger = next(it for it in observers.ids if it not in (subject, *observers.of(subject)))
    reborn = MemberId(good.observer.name, Incarnation(2))
    bad = [
        Alert(ViewNumber(good.number - 1), good.observer, subject, good.rings),
        Alert(ViewNumber(good.number + 1), good.observer, subject, good.rings),
        Alert(good.number, stranger, subject, tuple(range(10))),
        Alert(good.number, reborn, subject, good.rings),
        Alert(good.number, good.observer, MemberId(subject.name, Incarnation(2)), good.rings),
        Alert(good.number, good.observer, subject, (-10, -1, 10, 1 << 70)),
        Alert(good.number, good.observer, subject, tuple(set(range(10)) - set(good.rings))),
        Alert(good.number, good.observer, subject, ()),
        Alert(good.number, subject, subject, tuple(range(10))),
    ]

    assert [observers.detector.accuse(it, now=0.0) for it in bad] == [0] * len(bad)
    assert observers.detector.accuse(good, now=0.0) == len(good.rings)
    assert [observers.detector.withdraw(it, now=0.0) for it in bad] == [0] * len(bad)
    assert observers.detector.tally(subject, now=0.0) == len(good.rings)


def test_a_member_that_is_down_already_is_not_accused_and_does_not_accuse() -> None:
    first, second, *_ = (member.identity for member in view_of(20))
    view = decide_together(view_of(20), [Down(first)]).view
    detector = CutDetector(view)

    assert detector.accuse(Alert(view.number, second, first, tuple(range(10))), now=0.0) == 0
    assert detector.accuse(Alert(view.number, first, second, tuple(range(10))), now=0.0) == 0


def test_a_withdrawn_alert_does_not_count_and_may_be_given_again() -> None:
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    observers.accuse(subject, range(9))
    alert = observers.alert(observers.detector.rings.observers[subject][0], subject)

    assert observers.detector.withdraw(alert, now=0.0) == len(alert.rings)
    assert observers.detector.withdraw(alert, now=0.0) == 0
    assert observers.cut() is None
    assert observers.detector.accuse(alert, now=0.0) == len(alert.rings)
    assert observers.cut() == [subject]


def test_a_member_whose_accusers_hear_it_again_does_not_hold_up_others() -> None:
    observers = Observers(view_of(50))
    slow, crashed = observers.ids[0], far_from(observers, observers.ids[0])
    observers.all_accuse([crashed])
    observers.accuse(slow, range(4))
    assert observers.cut() is None

    observers.detector.withdraw(observers.alert(observers.detector.rings.observers[slow][0], slow), now=1.0)
    assert observers.cut() == [crashed]


# --- implicit alerts


def test_members_in_flux_accuse_each_other_implicitly() -> None:
    """Rapid §4.2: a crashed observer gives no alert, so its silence counts while it is accused itself."""
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    silent = observers.of(subject)[:3]
    observers.accuse(subject, range(10))
    for observer in silent:
        observers.detector.withdraw(observers.alert(observer, subject), now=0.0)
    assert observers.cut() is None

    observers.all_accuse([subject, *silent], now=1.0)
    assert observers.cut(now=2.9) is None
    assert observers.detector.deadline(now=1.0) == 2.0
    assert observers.detector.deadline(now=2.0) == 3.0
    assert observers.cut(now=3.0) == sorted([subject, *silent])


def test_noise_gets_no_implicit_alerts_and_gives_none() -> None:
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    crashed = observers.of(subject)[:6]
    observers.accuse(subject, range(9, 6, -1))
    observers.all_accuse(crashed)
    explicit = {ring for ring, by in enumerate(observers.detector.rings.observers[subject]) if by in crashed}
    assert explicit

    assert observers.detector.tally(subject, now=0.0) <= 3
    assert subject not in (observers.cut() or [])


# --- reinforcement


def test_a_member_that_has_been_in_flux_for_long_is_reinforced() -> None:
    observers = Observers(view_of(50), CutConfig(reinforce_after_s=5.0))
    observers.accuse(observers.ids[0], range(4), now=10.0)
    observers.accuse(observers.ids[0], range(4, 6), now=14.0)

    assert observers.detector.deadline(now=14.0) == 15.0
    assert observers.cut(now=14.999) is None
    assert observers.cut(now=15.0) == [observers.ids[0]]
    assert observers.detector.deadline(now=15.0) is None


def test_time_in_flux_begins_anew_when_enough_alerts_are_withdrawn_in_between() -> None:
    observers = Observers(view_of(50))
    subject = observers.ids[0]
    observers.accuse(subject, range(4), now=0.0)
    observers.detector.withdraw(observers.alert(observers.detector.rings.observers[subject][0], subject), now=4.0)
    observers.accuse(subject, range(4), now=4.5)

    assert observers.cut(now=9.4) is None
    assert observers.cut(now=9.5) == [subject]


def test_a_reinforced_member_waits_for_others_in_flux_and_then_leaves_with_them() -> None:
    observers = Observers(view_of(50))
    first, second = observers.ids[0], far_from(observers, observers.ids[0])
    observers.accuse(first, range(5), now=0.0)
    observers.accuse(second, range(5), now=3.0)

    assert observers.cut(now=6.0) is None
    assert observers.detector.deadline(now=6.0) == 8.0
    assert observers.cut(now=8.0) == sorted([first, second])


# --- few members


def test_of_two_members_one_accuser_is_enough_and_a_lone_one_is_never_accused() -> None:
    observers = Observers(view_of(2))
    observers.all_accuse([observers.ids[1]])
    assert observers.cut() == [observers.ids[1]]

    assert Observers(view_of(1)).cut(now=1e9) is None
    assert CutDetector(View()).cut(now=1e9) is None


@pytest.mark.parametrize("size", range(3, 12))
def test_one_accuser_expels_nobody_and_holds_up_nothing(size: int) -> None:
    config = CutConfig(high=2, low=1)
    observers = Observers(view_of(size), config)
    accuser, *others = observers.ids
    for subject in others:
        observers.detector.accuse(observers.alert(accuser, subject), now=0.0)

    assert observers.cut(now=1e9) is None
    assert observers.detector.in_flux(now=0.0) == ()


@pytest.mark.parametrize("size", range(3, 30))
def test_one_crash_in_a_view_of_any_size_is_one_cut(size: int) -> None:
    for number in range(min(size, 4)):
        observers = Observers(view_of(size))
        observers.all_accuse([observers.ids[number]])
        assert observers.cut() == [observers.ids[number]]


@pytest.mark.parametrize("size", range(5, 30))
def test_two_crashes_in_a_view_of_any_size_are_one_cut(size: int) -> None:
    observers = Observers(view_of(size))
    crashed = observers.ids[1:3]
    observers.all_accuse(crashed)

    assert observers.cut(now=5.0) == crashed


def test_members_that_join_observe_and_are_observed() -> None:
    joiners = [member.identity for member in view_of(40)][10:]
    view = View()
    for member in view_of(40):
        view = decide_together(view, [Join(member)]).view
        if member.identity not in joiners:
            view = decide_together(view, [BecomeUp(member.identity)]).view
    observers = Observers(view)
    observers.all_accuse([joiners[0]])

    assert observers.cut() == [joiners[0]]


# --- members that hear nobody


@pytest.mark.parametrize(("size", "deaf"), [(4, 1), (4, 2), (5, 2), (5, 3), (7, 3), (11, 4), (12, 4), (40, 8)])
@pytest.mark.parametrize("seed", range(10))
def test_members_that_hear_nobody_are_expelled_alone_whoever_accuses_first(size: int, deaf: int, seed: int) -> None:
    """Each edge that ends at a deaf member fails both ways, at some time within the first 1.5 s."""
    rng, observers = random.Random(seed), Observers(view_of(size))
    lost = sorted(rng.sample(observers.ids, deaf))
    edges = [(one, other) for one in observers.ids for other in observers.ids if one in lost or other in lost]
    cuts = []
    for now, (observer, subject) in sorted((rng.random() * 1.5, edge) for edge in edges):
        observers.detector.accuse(observers.alert(observer, subject), now=now)
        cuts.append(observers.cut(now=now))

    assert not [cut for cut in cuts if cut is not None and not set(cut) <= set(lost)]
    assert observers.cut(now=7.0) == lost


def test_accusers_that_are_reinforced_are_not_believed_any_more() -> None:
    """Lossy members stay in flux for long: the healthy member that four of them accuse must not leave with them."""
    observers = Observers(view_of(300))
    healthy = observers.ids[0]
    lossy = sorted(observers.of(healthy)[:4])
    for accuser in lossy:
        observers.accuse(accuser, range(8))
        observers.detector.accuse(observers.alert(accuser, healthy), now=0.0)
    assert healthy in observers.detector.in_flux(now=4.9)

    assert observers.cut(now=5.0) == lossy
    assert observers.cut(now=1e9) == lossy


# --- many at once


@pytest.mark.parametrize("seed", range(20))
def test_ten_crashes_at_once_in_a_large_view_are_one_cut(seed: int) -> None:
    """Alerts of all ten come ring by ring in any order, as they do when observers probe at the same rate."""
    rng, observers = random.Random(seed), Observers(view_of(300))
    crashed = sorted(rng.sample(observers.ids, 10))
    alerts = [
        observers.alert(observer, subject)
        for subject in crashed
        for observer in observers.of(subject)
        if observer not in crashed
    ]
    rng.shuffle(alerts)
    cuts: list[list[MemberId] | None] = []
    for alert in alerts:
        observers.detector.accuse(alert, now=0.0)
        if observers.cut() not in (None, *cuts[-1:]):
            cuts.append(observers.cut())

    assert observers.cut(now=2.0) == crashed
    assert cuts in ([], [crashed])


@pytest.mark.parametrize("seed", range(10))
def test_any_alerts_and_withdrawals_leave_the_tally_that_a_plain_count_has(seed: int) -> None:
    """Against a naive model: the set of (subject, ring) that are accused, explicit ones only, below L."""
    rng, observers = random.Random(seed), Observers(view_of(8), CutConfig(low=10, high=10))
    model: set[tuple[MemberId, int]] = set()
    for _ in range(500):
        observer, subject, ring = rng.choice(observers.ids), rng.choice(observers.ids), rng.randint(-2, 12)
        alert = Alert(observers.detector.rings.number, observer, subject, (ring,))
        named = observer != subject and ring in observers.detector.rings.between(observer, subject)
        if rng.random() < 0.7:
            assert observers.detector.accuse(alert, now=0.0) == (named and (subject, ring) not in model)
            model |= {(subject, ring)} if named else set()
        else:
            assert observers.detector.withdraw(alert, now=0.0) == (named and (subject, ring) in model)
            model -= {(subject, ring)} if named else set()
        assert observers.detector.tally(subject, now=0.0) == sum(it == subject for it, _ in model)


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 0},
        {"low": 9, "high": 8},
        {"high": 11},
        {"rings": 8},
        {"reinforce_after_s": 1},
        {"implicit_after_s": -1},
        {"implicit_after_s": 0, "reinforce_after_s": 0},
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        CutConfig(**wrong)


# --- a leader whose side is small


@pytest.mark.parametrize(("size", "near"), [(11, 2), (11, 3), (30, 12)])
def test_the_members_that_a_small_side_does_not_reach_are_cut_once_each_has_an_accuser(size: int, near: int) -> None:
    observers = Observers(view_of(size))
    side, far = observers.ids[:near], observers.ids[near:]
    observers.all_accuse(far)
    accused = [member for member in far if any(by in side and by != side[0] for by in observers.of(member))]
    assert observers.cut(now=20.0) is None or size > 11
    observers.detector.unlinked(frozenset(far), side[0], now=0.0)
    assert observers.cut(now=20.0) == accused
    assert len(accused) == len(far) or size > 11


def test_a_leader_alone_that_has_no_links_cuts_nobody() -> None:
    observers = Observers(view_of(11))
    leader, others = observers.ids[0], observers.ids[1:]
    observers.detector.unlinked(frozenset(others), leader, now=0.0)
    for subject in observers.detector.rings.subjects[leader]:
        observers.detector.accuse(observers.alert(leader, subject), now=0.0)
    assert observers.cut(now=60.0) is None


def test_an_accused_member_with_which_the_leader_has_a_link_is_not_cut_for_missing_links_of_others() -> None:
    observers = Observers(view_of(11))
    leader, witness, subject, *others = observers.ids
    observers.detector.unlinked(frozenset(others), leader, now=0.0)
    observers.detector.accuse(observers.alert(witness, subject), now=0.0)
    assert observers.cut(now=60.0) is None


def test_links_that_are_back_take_the_cut_back() -> None:
    observers = Observers(view_of(11))
    side, far = observers.ids[:2], observers.ids[2:]
    observers.all_accuse(far)
    observers.detector.unlinked(frozenset(far), side[0], now=0.0)
    observers.detector.unlinked(frozenset(), side[0], now=1.0)
    assert observers.cut(now=60.0) is None
