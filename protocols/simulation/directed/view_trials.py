"""View trials: change views, accuse members and cut networks so that one broken promise of membership would show.

Each raises `Violation` with an invariant `view.…` if it does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from typing import NoReturn

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Violation
from coterie.protocols.membership.cut_detector import Alert, Cut, CutConfig, CutDetector
from coterie.protocols.membership.member_events import MemberJoined, MemberRemoved
from coterie.protocols.membership.members import Incarnation, Member, MemberId
from coterie.protocols.membership.partition_policy import KeepMajority, PartitionWatch, Stand
from coterie.protocols.membership.services import ServiceEntry, Services, dropped, register
from coterie.protocols.membership.singletons import Epoch, Granted, HeldBy, Holders, claim, release
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Refused, decide, decide_together
from coterie.protocols.membership.view_stream import ViewStream
from coterie.protocols.quorums import Majority

__all__ = [
    "claim_of_a_former_life",
    "claim_while_the_holder_is_down",
    "crashes_together",
    "deaf_members",
    "entries_of_a_removed_member",
    "equal_halves",
    "last_up_member",
    "late_expel",
    "late_release",
    "late_view",
    "new_subscriber",
    "one_accuser",
    "removed_life",
    "repeated_alert",
    "side_without_quorum",
    "two_of_one_name",
    "view_of",
]


def view_of(size: int) -> View:
    """Return a view of `size` members that are up: n001, n002 …, each in its first incarnation, 1."""
    members = [_member(number) for number in range(1, size + 1)]
    ups = [BecomeUp(member.identity) for member in members]
    return decide_together(View(), [*map(Join, members), *ups]).view


def side_without_quorum() -> None:
    """Cut seven members in two, in every way; three of them hold the view: at most one side must act.

    Raises:
        Violation: `view.one_side_acts`, if both do.
    """
    for sides, stands in _all_cuts(view_of(7), group_size=3):
        if stands.count(Stand.ACT) > 1:
            _fail("view.one_side_acts", f"both sides of {sides[0]} | {sides[1]} act")


def equal_halves() -> None:
    """Cut four members in two, in every way, while the view's group is lost: at most one side must keep serving.

    Raises:
        Violation: `view.one_side_serves`, if both do.
    """
    for sides, stands in _all_cuts(view_of(4), group_size=0):
        if stands.count(Stand.SERVE) > 1:
            _fail("view.one_side_serves", f"both sides of {sides[0]} | {sides[1]} serve")


def late_expel() -> None:
    """Let a cut of an earlier view be decided when the accused member has been replaced by a new life.

    Raises:
        Violation: `view.life_is_identity`, if the new life is expelled.
    """
    old = _member(4)
    view = view_of(3)
    decided_on = view.number
    new = _member(4, incarnation=2)
    view = _decided(view, Join(new), BecomeUp(new.identity), Expel((old.identity,), decided_on))
    if view.find(new.identity) is None or new.identity not in [member.identity for member in view.up]:
        _fail("view.life_is_identity", f"{new.identity} is down, although {old.identity} was accused")


def removed_life() -> None:
    """Take a member down, remove it, and let it join again.

    Raises:
        Violation: `view.removed_for_ever`, if it does.
    """
    member = _member(4)
    view = _decided(view_of(4), Down(member.identity), Remove(member.identity))
    if not isinstance(decide(view, Join(member)), Refused):
        _fail("view.removed_for_ever", f"{member.identity} has joined again")


def two_of_one_name() -> None:
    """Let a process join under the name of a member that is up at another address.

    Raises:
        Violation: `view.one_process_per_name`, if it takes the member's place.
    """
    second = Member(NodeId("n002"), Incarnation(2), "elsewhere:7400")
    view = _decided(view_of(3), Join(second))
    if view.find(_member(2).identity) is None:
        _fail("view.one_process_per_name", f"{second.identity} has taken the place of a member that is up")


def last_up_member() -> None:
    """Let one of two members leave, and expel the other while the first hands over.

    Raises:
        Violation: `view.one_member_up`, if no member is up then.
    """
    leaving, last = _member(1), _member(2)
    view = _decided(view_of(2), Leave(leaving.identity))
    view = _decided(view, Expel((last.identity,), view.number))
    if view.find(last.identity) not in view.up:
        _fail("view.one_member_up", f"{last.identity} is down, and {leaving.identity} leaves")


def late_view() -> None:
    """Deliver three views as third, first, second.

    Raises:
        Violation: `view.in_order`, if the node goes back to an older one.
    """
    first = view_of(2)
    second = _decided(first, Join(_member(3)))
    third = _decided(second, Join(_member(4)))
    stream: ViewStream[str] = ViewStream(View())
    for view in (third, first, second):
        stream.learn(view)
    if stream.view != third:
        _fail("view.in_order", f"the node is at view {stream.view.number}, and knew view {third.number}")


def new_subscriber() -> None:
    """Subscribe, and let members come and go: the snapshot and the events together must be the newest view.

    Raises:
        Violation: `view.subscriber_complete`, if they are not.
    """
    view = view_of(3)
    stream: ViewStream[str] = ViewStream(view)
    known = {member.identity for member in stream.subscribe("subscriber")}
    for number in range(4, 8):
        view = _decided(view, Join(_member(number)))
        for changed in stream.learn(view):
            for event in changed.events:
                if isinstance(event, MemberJoined):
                    known.add(event.member.identity)
                elif isinstance(event, MemberRemoved):
                    known.discard(event.member.identity)
    if known != {member.identity for member in view}:
        _fail("view.subscriber_complete", f"the subscriber knows {len(known)} of {len(view)} members")


def repeated_alert() -> None:
    """Let two of ten observers repeat their alerts, ten times: no member may be expelled.

    Raises:
        Violation: `view.ring_counts_once`, if one is.
    """
    detector = CutDetector(view_of(30))
    subject = _member(7).identity
    for _ in range(10):
        for observer in detector.rings.observers[subject][:2]:
            detector.accuse(_alert(detector, observer, subject), now=0.0)
    if detector.cut(now=100.0) is not None:
        _fail("view.ring_counts_once", f"{subject} is expelled on two rings of ten")


def one_accuser() -> None:
    """Let one of three members accuse the second, while the third hears it.

    Raises:
        Violation: `view.two_accusers`, if it is expelled.
    """
    detector = CutDetector(view_of(3), CutConfig(high=5))
    observer, subject = _member(1).identity, _member(2).identity
    detector.accuse(_alert(detector, observer, subject), now=0.0)
    if detector.cut(now=100.0) is not None:
        _fail("view.two_accusers", f"{subject} is expelled on the word of {observer} alone")


def crashes_together() -> None:
    """Let ten of a hundred members crash; their alerts come interleaved, ring after ring: they must leave together.

    Raises:
        Violation: `view.one_cut`, if they do not.
    """
    detector = CutDetector(view_of(100))
    crashed = [_member(number).identity for number in range(10, 20)]
    alerts = [
        _alert(detector, observer, subject)
        for subject in crashed
        for observer in dict.fromkeys(detector.rings.observers[subject])
        if observer not in crashed
    ]
    random.Random(1).shuffle(alerts)
    found: Cut | None = None
    for alert in alerts:
        detector.accuse(alert, now=0.0)
        found = detector.cut(now=0.0)
        if found is not None:
            break
    found = found or detector.cut(now=CutConfig().implicit_after_s)  # some observers have crashed themselves
    if found is None or list(found.members) != crashed:
        _fail("view.one_cut", f"the first cut is {found and found.members}, not the ten that crashed")


def deaf_members() -> None:
    """Let two of five members hear nobody: they accuse all first, and the other three accuse them a second later.

    Raises:
        Violation: `view.healthy_stay`, if one of the three is expelled.
    """
    detector = CutDetector(view_of(5))
    members = sorted(detector.rings.observers)
    deaf = members[3:]
    for now, observers, subjects in ((0.0, deaf, members), (1.0, members[:3], deaf)):
        for observer in observers:
            for subject in subjects:
                detector.accuse(_alert(detector, observer, subject), now=now)
            _check_expelled(detector, deaf, now=now)
    _check_expelled(detector, deaf, now=100.0)


def claim_while_the_holder_is_down() -> None:
    """Take the holder of a singleton down, and let another member claim it: the lease of the first may still run.

    Raises:
        Violation: `view.one_holder`, if it is granted before the first is removed.
    """
    view, holders = view_of(3), _granted({}, view_of(3), _member(1))
    view = _decided(view, Expel((_member(1).identity,), view.number))
    if isinstance(claim(holders, view, "cron", _member(2).identity).answer, Granted):
        _fail("view.one_holder", f"{_member(2).identity} is granted what {_member(1).identity} may still hold")


def claim_of_a_former_life() -> None:
    """Let a member be replaced by a new life of its name, and a claim of the old life arrive after that.

    Raises:
        Violation: `view.holder_is_a_member`, if it is granted.
    """
    new = _member(2, incarnation=2)
    view = _decided(view_of(3), Join(new), BecomeUp(new.identity))
    if isinstance(claim({}, view, "cron", _member(2).identity).answer, Granted):
        _fail("view.holder_is_a_member", f"{_member(2).identity} is granted a singleton, and {new.identity} is there")


def late_release() -> None:
    """Let a member claim a singleton again, a release of its first epoch arrive after that, and another one claim it.

    Raises:
        Violation: `view.release_is_of_one_epoch`, if both hold it.
    """
    view = view_of(3)
    holders = _granted(_granted({}, view, _member(1)), view, _member(1))
    holders = release(holders, "cron", _member(1).identity, Epoch(1)).holders
    if claim(holders, view, "cron", _member(2).identity).answer != HeldBy(_member(1).identity, Epoch(2)):
        _fail("view.release_is_of_one_epoch", f"{_member(1).identity} has lost epoch 2 by a release of epoch 1")


def entries_of_a_removed_member() -> None:
    """Let a member register a service, take it down and remove it.

    Raises:
        Violation: `view.services_of_members`, if its entry is kept after either change.
    """
    view, services = view_of(3), _entered(view_of(3), _member(1))
    for change in (Down(_member(1).identity), Remove(_member(1).identity)):
        view = _decided(view, change)
        services = dropped(services, view)
        if services:
            _fail("view.services_of_members", f"{services[0].member} provides {services[0].service!r} after {change}")


def _granted(holders: Holders, view: View, claimant: Member) -> Holders:
    return claim(holders, view, "cron", claimant.identity).holders


def _entered(view: View, member: Member) -> Services:
    return register((), view, ServiceEntry("cart", member.identity, "carts")).services


def _member(number: int, *, incarnation: int = 1) -> Member:
    return Member(NodeId(f"n{number:03}"), Incarnation(incarnation), f"host{number}:7400")


def _decided(view: View, *changes: ViewChange) -> View:
    """Return the view after each change, one after the other; refused ones change nothing."""
    for change in changes:
        decision = decide(view, change)
        view = view if isinstance(decision, Refused) else decision.view
    return view


def _alert(detector: CutDetector, observer: MemberId, subject: MemberId) -> Alert:
    return Alert(detector.rings.number, observer, subject, detector.rings.between(observer, subject))


def _all_cuts(view: View, *, group_size: int) -> list[tuple[Sequence[list[str]], list[Stand]]]:
    """Return each way to cut the view in two, and the stand of either side; the first members hold the view."""
    members = [member.identity for member in view]
    group = Majority(tuple(name for name, _ in members[:group_size])) if group_size else None
    found: list[tuple[Sequence[list[str]], list[Stand]]] = []
    for size in range(1, len(members)):
        for side in combinations(members, size):
            sides = [list(side), [member for member in members if member not in side]]
            stands = []
            for reachable in sides:
                watch = PartitionWatch(KeepMajority(), {name: frozenset() for name, _ in members}, stable_after_s=0.0)
                has_quorum = group is not None and group.is_quorum([name for name, _ in reachable])
                stands.append(watch.observe(view, frozenset(reachable), has_quorum=has_quorum, now=0.0))
            found.append(([[str(name) for name, _ in side] for side in sides], stands))
    return found


def _check_expelled(detector: CutDetector, expected: Sequence[MemberId], *, now: float) -> None:
    cut = detector.cut(now=now)
    if cut is not None and cut.members != tuple(expected):
        _fail("view.healthy_stay", f"{', '.join(map(str, cut.members))} are expelled")


def _fail(invariant: str, detail: str) -> NoReturn:
    raise Violation(invariant, detail, node=None, step=0, time_s=0.0)
