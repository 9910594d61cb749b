"""Singleton steps: what a node does next, by table: whose turn it is, when it claims, when its actor stops."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from coterie.protocols.membership.members import Member, MemberId, MembershipState, ViewNumber
from coterie.protocols.membership.singleton_steps import (
    FIRST_WAIT_S,
    NextStep,
    Situation,
    Step,
    claim_after_s,
    newer,
    next_step,
    turns,
)
from coterie.protocols.membership.singletons import Epoch, Holder
from coterie.protocols.membership.view import View
from tests.protocols.membership.test_view_decisions import life, node

NOBODY = Holder(None, Epoch(0))


def up(number: int, *, since: int = 1, state: MembershipState = MembershipState.UP) -> Member:
    return replace(node(number), state=state, since=ViewNumber(since))


def view_of(*members: Member) -> View:
    return View(ViewNumber(9), tuple(sorted(members, key=lambda member: member.name)))


VIEW = view_of(up(1), up(2), up(3))
TURNS = (life(1), life(2), life(3))


def situation(
    *,
    me: int = 1,
    now: float = 100.0,
    lease_ends_at: float = 102.5,
    known: Holder = NOBODY,
    unheld_since: float | None = 100.0,
    running: int | None = None,
    is_wanted: bool = True,
    hold_off_until: float = 0.0,
    order: tuple[MemberId, ...] = TURNS,
    view: View = VIEW,
) -> Situation:
    epoch = None if running is None else Epoch(running)
    return Situation(
        now, lease_ends_at, 2.5, life(me), view, known, order, unheld_since, epoch, is_wanted, hold_off_until
    )


# --- turns


def test_the_member_that_is_up_for_longest_is_first_and_names_decide_between_equals() -> None:
    view = view_of(up(1, since=5), up(2, since=3), up(3, since=3))

    assert turns(view, lambda _: True) == (life(2), life(3), life(1))


@pytest.mark.parametrize(
    "state", [state for state in MembershipState if state is not MembershipState.UP], ids=lambda state: state.value
)
def test_only_members_that_are_up_have_a_turn(state: MembershipState) -> None:
    view = view_of(up(1, state=state), up(2))

    assert turns(view, lambda _: True) == (life(2),)


def test_members_that_are_not_eligible_have_no_turn_and_the_one_that_gave_it_up_is_last() -> None:
    assert turns(VIEW, lambda member: member.name != "n2") == (life(1), life(3))
    assert turns(VIEW, lambda _: True, life(1)) == (life(2), life(3), life(1))
    assert turns(VIEW, lambda _: True, life(1, 7)) == TURNS  # another life did


def test_each_rank_waits_longer_than_the_one_before_up_to_a_bound() -> None:
    waits = [claim_after_s(rank) for rank in range(12)]

    assert waits[:3] == [0.0, FIRST_WAIT_S, FIRST_WAIT_S + 1.0]
    assert waits == sorted(waits)
    assert len(set(waits[8:])) == 1


# --- claims


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (situation(), NextStep(Step.CLAIM)),
        (situation(me=2), NextStep(None, 103.0)),
        (situation(me=2, unheld_since=97.0), NextStep(Step.CLAIM)),
        (situation(me=3, unheld_since=97.0), NextStep(None, 101.0)),
        (situation(me=2, order=(life(2), life(3))), NextStep(Step.CLAIM)),
        (situation(order=(life(2), life(3))), NextStep(None)),
        (situation(unheld_since=None), NextStep(None)),
        (situation(is_wanted=False), NextStep(None)),
        (situation(hold_off_until=105.0), NextStep(None, 105.0)),
        (situation(lease_ends_at=-inf), NextStep(None)),
        (situation(lease_ends_at=100.4), NextStep(None)),
        (situation(known=Holder(life(2), Epoch(4)), unheld_since=None), NextStep(None)),
        # A holder that is in the view no more, or is another life, holds nothing.
        (situation(known=Holder(life(8), Epoch(4))), NextStep(Step.CLAIM)),
        (situation(known=Holder(life(1, 7), Epoch(4))), NextStep(Step.CLAIM)),
    ],
)
def test_who_claims_and_when(here: Situation, expected: NextStep) -> None:
    assert next_step(here) == expected


MINE = Holder(life(1), Epoch(4))


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (situation(known=MINE, unheld_since=None), NextStep(Step.CLAIM)),
        (situation(known=MINE, unheld_since=None, order=(life(2), life(1))), NextStep(Step.CLAIM)),
        (situation(known=MINE, unheld_since=None, lease_ends_at=-inf), NextStep(None)),
        (situation(known=MINE, unheld_since=None, is_wanted=False), NextStep(Step.GIVE_BACK)),
        (situation(known=MINE, unheld_since=None, hold_off_until=101.0), NextStep(Step.GIVE_BACK)),
        # A lapsed lease does not keep it from giving back: nothing runs.
        (situation(known=MINE, unheld_since=None, is_wanted=False, lease_ends_at=-inf), NextStep(Step.GIVE_BACK)),
    ],
)
def test_a_holder_without_an_actor_claims_anew_or_gives_back(here: Situation, expected: NextStep) -> None:
    assert next_step(here) == expected


# --- an actor that runs


@pytest.mark.parametrize(
    ("here", "expected"),
    [
        (situation(known=MINE, running=4), NextStep(None, 102.0)),
        (situation(known=MINE, running=4, now=101.99), NextStep(None, 102.0)),
        (situation(known=MINE, running=4, now=102.0), NextStep(Step.STOP)),
        (situation(known=MINE, running=4, lease_ends_at=-inf), NextStep(Step.STOP)),
        (situation(known=MINE, running=4, is_wanted=False), NextStep(Step.STOP)),
        (situation(known=MINE, running=3), NextStep(Step.KILL)),
        (situation(known=Holder(life(2), Epoch(5)), running=4), NextStep(Step.KILL)),
        (situation(known=Holder(None, Epoch(4)), running=4), NextStep(Step.KILL)),
        # What is known may be older than the grant.
        (situation(known=NOBODY, running=4), NextStep(None, 102.0)),
        (situation(known=Holder(life(2), Epoch(3)), running=4), NextStep(None, 102.0)),
    ],
)
def test_when_an_actor_stops(here: Situation, expected: NextStep) -> None:
    assert next_step(here) == expected


def test_an_actor_stops_a_fifth_of_a_lease_before_the_lease_ends_and_none_starts_later() -> None:
    here = situation()

    assert here.stop_at == pytest.approx(102.0)
    assert here.may_run
    assert not replace(here, now=here.stop_at).may_run


# --- what is known


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Holder(life(1), Epoch(2)), Holder(life(2), Epoch(1))),
        (Holder(None, Epoch(2)), Holder(life(1), Epoch(2))),
        (Holder(life(2), Epoch(3)), Holder(None, Epoch(2))),
    ],
)
def test_a_return_follows_its_grant_and_each_grant_the_one_before(one: Holder, other: Holder) -> None:
    assert newer(one, other) is newer(other, one) is one
