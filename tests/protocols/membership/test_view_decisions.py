"""Decisions on views: each rule by example, then random changes against what must always hold."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, Member, MemberId, MembershipState, ViewNumber
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Decided, Done, Refused, decide, decide_together
from coterie.protocols.quorums import Majority, Quorum, Weighted

JOINING, UP, LEAVING, DOWN = (
    MembershipState.JOINING,
    MembershipState.UP,
    MembershipState.LEAVING,
    MembershipState.DOWN,
)


def node(number: int, incarnation: int = 1, address: str = "") -> Member:
    return Member(NodeId(f"n{number}"), Incarnation(incarnation), address or f"host{number}:7400")


def life(number: int, incarnation: int = 1) -> MemberId:
    return node(number, incarnation).identity


def group(*numbers: int) -> Majority:
    return Majority(tuple(life(number).name for number in numbers))


def up_view(size: int) -> View:
    view = View()
    for number in range(1, size + 1):
        view = after(view, Join(node(number)), BecomeUp(life(number)))
    return view


def after(view: View, *changes: ViewChange) -> View:
    for change in changes:
        decision = decide(view, change)
        assert isinstance(decision, Decided), decision
        assert decision.is_change
        assert decision.view.number == view.number + 1
        view = decision.view
    return view


def refusal(view: View, change: ViewChange, quorum: Quorum | None = None) -> str:
    decision = decide(view, change, group=quorum)
    assert isinstance(decision, Refused), decision
    return decision.reason


def nothing(view: View, change: ViewChange) -> str:
    """Return the note of a change that holds already, and changes nothing."""
    decision = decide(view, change)
    assert isinstance(decision, Decided), decision
    assert (decision.is_change, decision.view) == (False, view)
    return decision.note


def state(view: View, number: int) -> tuple[MembershipState, int] | None:
    found = view.member(life(number).name)
    return None if found is None else (found.state, found.since)


# --- coming


def test_a_node_joins_and_becomes_up_each_with_a_number_of_its_own() -> None:
    joined = after(View(), Join(replace(node(1), state=UP, since=ViewNumber(99))))
    assert state(joined, 1) == (JOINING, 1)

    assert state(after(joined, BecomeUp(life(1))), 1) == (UP, 2)


def test_repeated_changes_change_nothing_and_say_so() -> None:
    view = up_view(3)
    assert "has joined before: it is up" in nothing(view, Join(node(2)))
    assert "is up already, since view 4" in nothing(view, BecomeUp(life(2)))

    leaving = after(view, Leave(life(2)))
    assert "is leaving already, since view 7" in nothing(leaving, Leave(life(2)))
    assert "it is leaving" in nothing(leaving, Join(node(2)))
    gone = after(leaving, Left(life(2)))
    for change in (Leave(life(2)), Left(life(2)), Down(life(2)), Remove(life(2))):
        assert "not in the view any more" in nothing(gone, change)

    down = after(view, Down(life(3)))
    assert "is down already, since view 7" in nothing(down, Down(life(3)))
    assert "no present member is among 'n3' (incarnation 1)" in nothing(down, Expel((life(3),), view.number))


def test_a_second_process_of_one_name_is_refused_and_both_addresses_are_named() -> None:
    reason = refusal(up_view(3), Join(node(2, incarnation=7, address="elsewhere:1")))

    assert "two nodes are called 'n2': one at host2:7400 (incarnation 1, up)" in reason
    assert "one at elsewhere:1 (incarnation 7)" in reason
    assert "another name" in reason
    long = refusal(up_view(3), Join(node(2, incarnation=12345678901234567890, address="elsewhere:1")))
    assert "one at elsewhere:1 (incarnation 12345678…) that wants to join" in long


@pytest.mark.parametrize("before", [(), (Leave(life(2)),)])
def test_a_new_life_at_the_same_address_replaces_the_old_one_that_is_not_down(before: tuple[ViewChange, ...]) -> None:
    view = after(up_view(3), *before, Join(node(2, incarnation=7)))

    assert (view.find(life(2)), view.removed) == (None, (life(2),))
    assert state(view, 2) == (JOINING, view.number)


def test_a_new_life_elsewhere_replaces_the_one_that_the_proposer_says_is_gone() -> None:
    joiner = node(2, incarnation=7, address="elsewhere:1")
    assert after(up_view(3), Join(joiner, Incarnation(1))).find(joiner.identity) is not None

    reason = refusal(up_view(3), Join(joiner, Incarnation(5)))
    assert "incarnation 5, which was said to be gone, is not the present one" in reason


@pytest.mark.parametrize("address", ["", "elsewhere:1"])
def test_a_new_life_waits_until_the_one_that_is_down_holds_no_leases_or_is_known_to_be_gone(address: str) -> None:
    joiner = node(2, incarnation=7, address=address)
    down = after(up_view(3), Down(life(2)))
    reason = refusal(down, Join(joiner, Incarnation(5)))
    assert "'n2' (incarnation 1) at host2:7400 is down since view 7, and may still hold leases" in reason
    assert f"'n2' (incarnation 7) at {joiner.address} can join when it has been removed" in reason

    assert after(down, Join(joiner, Incarnation(1))).find(joiner.identity) is not None
    assert after(down, Remove(life(2)), Join(joiner)).find(joiner.identity) is not None


def test_all_nodes_that_restart_at_their_addresses_are_back_after_one_change_each() -> None:
    view = up_view(5)
    again = after(view, *(Join(node(number, incarnation=2)) for number in (3, 1, 5, 2, 4)))

    assert again.number == view.number + 5
    assert [member.incarnation for member in again] == [2] * 5
    assert again.removed == tuple(life(number) for number in (3, 1, 5, 2, 4))


def test_a_removed_life_never_joins_again() -> None:
    view = after(up_view(3), Leave(life(2)), Left(life(2)))
    assert "start its process again" in refusal(view, Join(node(2)))

    replaced = after(view, Join(node(2, incarnation=2)), Down(life(2, 2)), Remove(life(2, 2)))
    assert "start its process again" in refusal(replaced, Join(node(2)))
    assert "start its process again" in refusal(replaced, Join(node(2, incarnation=2)))


def test_a_life_that_is_down_does_not_join_and_does_not_become_up() -> None:
    view = after(up_view(3), Down(life(2)))

    assert "is down since view 7" in refusal(view, Join(node(2)))
    assert "only a joining member becomes up" in refusal(view, BecomeUp(life(2)))


def test_address_roles_and_labels_stay_those_with_which_a_life_joined() -> None:
    view = up_view(2)
    for other in (node(1, address="b:1"), replace(node(1), roles=frozenset({"db"}))):
        assert "has joined at host1:7400 with roles []" in refusal(view, Join(other))


@pytest.mark.parametrize("change", [BecomeUp, Leave, Left, Down, Remove])
def test_a_change_of_an_earlier_life_does_not_hit_the_present_one(change: type[BecomeUp]) -> None:
    view = after(up_view(2), Join(node(3, incarnation=8)))

    reason = refusal(view, change(life(3, 5)))
    assert "the present life of 'n3' is incarnation 8 at host3:7400 (joining)" in reason
    assert "is not in view 5" in refusal(view, change(life(4)))


# --- leaving


def test_a_member_leaves_after_it_has_handed_over() -> None:
    view = up_view(3)
    assert "must announce that it leaves" in refusal(view, Left(life(2)))

    leaving = after(view, Leave(life(2)))
    assert state(leaving, 2) == (LEAVING, 7)
    assert [member.name for member in leaving.up] == ["n1", "n3"]
    assert "only a joining member becomes up" in refusal(leaving, BecomeUp(life(2)))
    assert after(leaving, Left(life(2))).member(life(2).name) is None


@pytest.mark.parametrize("gone", [Leave(life(2)), Down(life(2)), Expel((life(2),), ViewNumber(4))])
def test_the_last_up_member_stays_although_another_one_is_leaving(gone: ViewChange) -> None:
    view = after(up_view(2), Leave(life(1)))

    assert "no member would be up without 'n2'; let another node join" in refusal(view, gone)


def test_a_member_that_only_joins_may_leave_before_anything_is_up() -> None:
    assert state(after(View(), Join(node(1)), Leave(life(1))), 1) == (LEAVING, 2)


# --- out


def test_an_expel_takes_all_its_members_out_in_one_view() -> None:
    view = up_view(5)
    expelled = after(view, Expel((life(2), life(4)), view.number))

    assert [it.name for it in expelled.members if it.is_down] == ["n2", "n4"]
    assert [state(expelled, number) for number in (2, 4)] == [(DOWN, 11), (DOWN, 11)]


def test_an_expel_of_an_older_view_hits_only_members_that_are_still_the_same_life() -> None:
    old = up_view(5)
    view = after(old, Join(node(2, incarnation=2)), Leave(life(3)), Left(life(3)))

    expelled = after(view, Expel((life(2), life(3), life(4)), old.number))
    assert [it.name for it in expelled.members if it.is_down] == ["n4"]
    assert state(expelled, 2) == (JOINING, 11)


def test_an_expel_of_a_view_that_is_not_decided_is_refused() -> None:
    view = up_view(3)
    assert "because the present view is 6" in refusal(view, Expel((life(2),), ViewNumber(7)))


def test_only_remove_ends_a_member_that_is_down() -> None:
    view = after(up_view(3), Expel((life(2),), ViewNumber(6)))
    assert "its leases may still run" in refusal(view, Left(life(2)))
    assert "its leases may still run" in refusal(view, Leave(life(2)))
    assert "only a member that is down is removed" in refusal(view, Remove(life(1)))

    removed = after(view, Remove(life(2)))
    assert (removed.member(life(2).name), removed.removed) == (None, (life(2),))


def test_the_views_group_keeps_its_quorum_and_the_rest_may_go() -> None:
    view = up_view(5)
    voters = group(1, 2, 3)

    reason = refusal(view, Expel((life(2), life(3), life(5)), view.number), voters)
    assert "('n1', 'n2', 'n3') would have no quorum with 'n1' alone; replace 'n2', 'n3' in that group first" in reason
    assert isinstance(decide(view, Expel((life(2), life(4), life(5)), view.number), group=voters), Decided)


@pytest.mark.parametrize("change", [Leave(life(2)), Down(life(2)), Expel((life(2),), ViewNumber(1))])
def test_a_leaving_or_down_voter_does_not_count_for_the_groups_quorum(change: ViewChange) -> None:
    for first in (Leave(life(3)), Down(life(3))):
        view = after(up_view(5), first)
        assert "would have no quorum with 'n1' alone" in refusal(view, change, group(1, 2, 3))


def test_a_joining_voter_counts_for_the_groups_quorum() -> None:
    view = after(up_view(5), Join(node(3, incarnation=2)))
    assert isinstance(decide(view, Down(life(2)), group=group(1, 2, 3)), Decided)


def test_the_groups_own_quorum_system_decides() -> None:
    heavy = Weighted({life(1).name: 3, life(2).name: 1, life(3).name: 1})
    assert isinstance(decide(up_view(3), Expel((life(2), life(3)), ViewNumber(6)), group=heavy), Decided)
    assert "no quorum with 'n2', 'n3' alone" in refusal(up_view(3), Down(life(1)), heavy)


def test_a_group_that_lacks_a_quorum_already_does_not_keep_other_members() -> None:
    assert isinstance(decide(up_view(4), Down(life(4)), group=group(1, 7, 8)), Decided)


# --- several at once


def test_a_hundred_nodes_join_and_become_up_in_two_views() -> None:
    joins = [Join(node(number)) for number in range(100)]
    joined = decide_together(View(), joins).view
    up = decide_together(joined, [BecomeUp(life(number)) for number in range(100)]).view

    assert (joined.number, up.number, len(up.up)) == (1, 2, 100)


def test_a_refused_change_among_others_changes_nothing_and_the_others_hold() -> None:
    view = up_view(2)
    both = decide_together(view, [Join(node(3)), Join(node(2, 9, "b:1")), BecomeUp(life(3)), Join(node(1))])

    joined, refused, up, repeated = both.outcomes
    assert (joined, up) == (Done("'n3' (incarnation 1) joins at host3:7400"), Done("'n3' (incarnation 1) is up"))
    assert isinstance(refused, Refused)
    assert isinstance(repeated, Done)
    assert not repeated.is_change
    assert state(both.view, 3) == (UP, view.number + 1)


def test_changes_together_that_change_nothing_make_no_view() -> None:
    view = up_view(2)
    assert decide_together(view, [Join(node(1)), Left(life(2)), BecomeUp(life(2))]).view is view
    assert decide_together(view, []).view is view


# --- whatever happens

FOLLOWING = {
    None: {JOINING, None},
    JOINING: {JOINING, UP, LEAVING, DOWN, None},
    UP: {UP, LEAVING, DOWN, None},
    LEAVING: {LEAVING, DOWN, None},
    DOWN: {DOWN, None},
}


def random_change(rng: random.Random, view: View) -> ViewChange:
    number, incarnation = rng.randint(1, 6), rng.randint(1, 12)
    present = view.member(life(number).name)
    identity = present.identity if present is not None and rng.random() < 0.7 else life(number, incarnation)
    address = rng.choice(["", "", "elsewhere:1"])
    cut = tuple(sorted({life(rng.randint(1, 6), incarnation), identity}))
    changes: list[ViewChange] = [
        Join(node(number, incarnation, address), rng.choice([None, None, identity.incarnation])),
        BecomeUp(identity),
        BecomeUp(identity),
        Leave(identity),
        Left(identity),
        Expel(cut, ViewNumber(rng.randint(0, view.number + 1))),
        Down(identity),
        Remove(identity),
    ]
    return rng.choice(changes)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_proposed_views_stay_within_the_rules(seed: int) -> None:
    rng, voters, view, known = random.Random(seed), group(1, 2, 3), View(), set[MemberId]()
    changed = 0
    for _ in range(300):
        change = random_change(rng, view)
        decision = decide(view, change, group=voters)
        if isinstance(decision, Refused):
            continue
        new = decision.view
        assert decision.is_change == (new is not view) == (new != replace(view, number=new.number))
        assert new.number == view.number + decision.is_change
        check_step(view, new, known, voters)
        again = decide(new, change, group=voters)
        assert isinstance(again, Refused) or not again.is_change
        changed += decision.is_change
        known |= set(new.removed)
        view = new
    assert changed > 30


def check_step(old: View, new: View, removed: set[MemberId], voters: Majority) -> None:
    for identity in {it.identity for it in (*old, *new)}:
        was, now = old.find(identity), new.find(identity)
        assert (None if now is None else now.state) in FOLLOWING[None if was is None else was.state]
        if was is not None and now is not None:
            assert now.since == (was.since if was.state is now.state else new.number)
        if was is not None and now is None:
            assert identity in new.removed
    assert not removed & {it.identity for it in new}
    replaced = any(it.is_up and new.find(it.identity) is None for it in old)
    assert new.up or not old.up or replaced
    if voters.is_quorum(serving(old)):
        assert voters.is_quorum(serving(new))


def serving(view: View) -> list[NodeId]:
    return [member.name for member in view if member.state in (JOINING, UP)]
