"""Streams of views: what subscribers are told, in which order, and that snapshot and events make the newest view."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.member_events import (
    MemberDown,
    MemberEvent,
    MemberJoined,
    MemberLeaving,
    MemberRemoved,
    MemberUp,
    changes_between,
)
from coterie.protocols.membership.members import Incarnation, Member, MemberId, MembershipState
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Refused, decide, decide_together
from coterie.protocols.membership.view_stream import ViewStream

States = dict[MemberId, MembershipState]


def node(name: str, incarnation: int = 1) -> Member:
    return Member(NodeId(name), Incarnation(incarnation), f"{name}:1")


def life(name: str, incarnation: int = 1) -> MemberId:
    return node(name, incarnation).identity


def after(view: View, *changes: ViewChange) -> View:
    return decide_together(view, changes).view


def words(events: tuple[MemberEvent, ...]) -> list[str]:
    return [f"{type(event).__name__.removeprefix('Member').lower()} {event.member.name}" for event in events]


def states(view: View) -> States:
    return {member.identity: member.state for member in view}


def follow(known: States, events: tuple[MemberEvent, ...]) -> None:
    for event in events:
        identity = event.member.identity
        match event:
            case MemberRemoved():
                del known[identity]
            case MemberJoined():
                assert identity not in known
                assert identity.name not in {name for name, _ in known}
                known[identity] = MembershipState.JOINING
            case MemberUp():
                assert known[identity] is MembershipState.JOINING
                known[identity] = MembershipState.UP
            case MemberLeaving():
                known[identity] = MembershipState.LEAVING
            case MemberDown():
                known[identity] = MembershipState.DOWN


def test_removed_joined_down_leaving_and_up_members_are_told_in_this_order_each_by_name() -> None:
    old = after(View(), *(Join(node(name)) for name in "abcdefg"), *(BecomeUp(life(name)) for name in "abcdfg"))
    gone = after(old, Leave(life("f")), Down(life("g")), Join(node("c", 2)), Leave(life("b")), Left(life("b")))
    new = after(gone, BecomeUp(life("e")))

    told = ["removed b", "removed c", "joined c", "down g", "leaving f", "up e"]
    assert words(changes_between(old, new)) == told


def test_a_member_that_is_seen_for_the_first_time_is_reported_as_joined_first_whatever_its_state() -> None:
    new = after(View(), *(Join(node(name)) for name in "abcd"), *(BecomeUp(life(name)) for name in "bcd"))
    new = after(new, Down(life("c")), Leave(life("d")))

    told = ["joined a", "joined b", "joined c", "joined d", "down c", "leaving d", "up b"]
    assert words(changes_between(View(), new)) == told


def test_an_event_of_one_life_is_none_of_the_next() -> None:
    old = after(View(), Join(node("a")), BecomeUp(life("a")))
    new = after(old, Join(node("a", 2)), BecomeUp(life("a", 2)))

    assert changes_between(old, new) == (
        MemberRemoved(old.members[0]),
        MemberJoined(new.members[0]),
        MemberUp(new.members[0]),
    )


def test_equal_views_have_no_changes_and_an_older_one_is_refused() -> None:
    view = after(View(), Join(node("a")))

    assert changes_between(view, view) == ()
    with pytest.raises(ValueError, match="view 0 is older than view 1"):
        changes_between(view, View())


def test_subscriber_gets_a_snapshot_and_then_each_change_once() -> None:
    one = after(View(), Join(node("a")))
    stream: ViewStream[str] = ViewStream(View())
    stream.learn(one)
    assert stream.subscribe("s") == one

    two = after(one, Join(node("b")))
    assert [(told.subscriber, told.view, words(told.events)) for told in stream.learn(two)] == [
        ("s", two, ["joined b"])
    ]
    assert stream.learn(two) == ()


def test_views_that_come_late_are_ignored_and_missed_ones_are_made_up_for() -> None:
    one = after(View(), Join(node("a")))
    two = after(one, BecomeUp(life("a")))
    three = after(two, Join(node("b")))
    stream: ViewStream[int] = ViewStream(View())
    stream.subscribe(1)

    told = [words(told.events) for view in (three, one, two, three) for told in stream.learn(view)]
    assert told == [["joined a", "joined b", "up a"]]
    assert stream.view == three


def test_who_has_unsubscribed_is_told_nothing() -> None:
    stream: ViewStream[str] = ViewStream(View())
    for subscriber in ("first", "second", "third"):
        stream.subscribe(subscriber)
    stream.unsubscribe("second")
    stream.unsubscribe("stranger")

    told = stream.learn(after(View(), Join(node("a"))))
    assert [it.subscriber for it in told] == ["first", "third"]


@pytest.mark.parametrize("seed", range(20))
def test_snapshot_and_events_make_the_newest_view_however_views_arrive(seed: int) -> None:
    rng, view = random.Random(seed), View()
    stream: ViewStream[int] = ViewStream(view)
    history, known = [view], dict[int, States]()
    for number in range(200):
        view = random_step(rng, view)
        history.append(view)
        for told in stream.learn(rng.choice(history[-3:])):
            follow(known[told.subscriber], told.events)
        if number % 10 == 0:
            known[number] = states(stream.subscribe(number))
    for told in stream.learn(view):
        follow(known[told.subscriber], told.events)

    assert view.number > 20
    assert all(it == states(view) for it in known.values())


def random_step(rng: random.Random, view: View) -> View:
    identity = life(rng.choice("abcde"), rng.randint(1, 20))
    present = view.member(identity.name)
    mine = identity if present is None else present.identity
    changes: list[ViewChange] = [
        Join(node(*identity)),
        BecomeUp(mine),
        Leave(mine),
        Left(mine),
        Expel((mine,), view.number),
        Remove(mine),
    ]
    decision = decide(view, rng.choice(changes))
    return view if isinstance(decision, Refused) else decision.view
