"""Singletons: each rule by example, then every order of two claimants, and random orders, against what must hold."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations

import pytest

from coterie.protocols.membership.members import MemberId, MembershipState
from coterie.protocols.membership.singletons import (
    SINGLETONS_MAX,
    Claimed,
    Epoch,
    Granted,
    HeldBy,
    Holder,
    Holders,
    claim,
    holder_of,
    release,
)
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Refused, decide
from tests.protocols.membership.test_view_decisions import after, life, node, up_view

CRON = "cron"


def granted(holders: Holders, view: View, claimant: MemberId, name: str = CRON) -> tuple[Holders, Epoch]:
    claimed = claim(holders, view, name, claimant)
    assert isinstance(claimed.answer, Granted), claimed.answer
    return claimed.holders, claimed.answer.epoch


def refused(claimed: Claimed, holders: Holders) -> str:
    assert isinstance(claimed.answer, Refused), claimed.answer
    assert claimed.holders is holders
    return claimed.answer.reason


# --- claims


def test_the_first_claim_is_granted_in_epoch_1_and_others_are_told_the_holder() -> None:
    view = up_view(2)

    holders, epoch = granted({}, view, life(1))
    second = claim(holders, view, CRON, life(2))

    assert epoch == 1
    assert second == Claimed(holders, HeldBy(life(1), Epoch(1)))
    assert second.holders is holders
    assert holder_of(holders, view, CRON) == HeldBy(life(1), Epoch(1))


def test_a_claim_changes_no_mapping_that_was_given_out() -> None:
    view = up_view(1)
    first, _ = granted({}, view, life(1))
    second, _ = granted(first, view, life(1))
    third = release(second, CRON, life(1), Epoch(2)).holders

    assert (first[CRON].epoch, second[CRON].epoch, third[CRON].member) == (1, 2, None)


def test_the_same_life_gets_a_new_epoch_because_its_actor_was_restarted() -> None:
    view = up_view(1)
    holders, first = granted({}, view, life(1))

    _, second = granted(holders, view, life(1))

    assert (first, second) == (1, 2)


def test_each_name_has_its_own_holder_and_epochs() -> None:
    view = up_view(2)
    holders, _ = granted({}, view, life(1))
    holders, _ = granted(holders, view, life(1))

    holders, other = granted(holders, view, life(2), "mail")

    assert other == 1
    assert holders == {CRON: Holder(life(1), Epoch(2)), "mail": Holder(life(2), Epoch(1))}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ((Leave(life(1)),), MembershipState.LEAVING),
        ((Down(life(1)),), MembershipState.DOWN),
        ((Leave(life(1)), Down(life(1))), MembershipState.DOWN),
    ],
)
def test_a_holder_holds_while_it_is_in_the_view(changes: tuple[ViewChange, ...], state: MembershipState) -> None:
    """While it is down its lease may still run: only its removal says that this has ended."""
    view = up_view(2)
    holders, _ = granted({}, view, life(1))
    view = after(view, *changes)
    found = view.find(life(1))

    assert found is not None
    assert found.state is state
    assert claim(holders, view, CRON, life(2)).answer == HeldBy(life(1), Epoch(1))
    assert holder_of(holders, view, CRON) == HeldBy(life(1), Epoch(1))


def test_a_joining_holder_holds() -> None:
    """No member becomes joining after it was up, but the rule does not depend on that."""
    view = after(up_view(2), Join(node(3)))
    holders: Holders = {CRON: Holder(life(3), Epoch(5))}

    assert claim(holders, view, CRON, life(1)).answer == HeldBy(life(3), Epoch(5))


@pytest.mark.parametrize("changes", [(Down(life(1)), Remove(life(1))), (Leave(life(1)), Left(life(1)))])
def test_a_holder_that_is_in_the_view_no_more_holds_nothing(changes: tuple[ViewChange, ...]) -> None:
    view = up_view(2)
    holders, _ = granted({}, view, life(1))
    view = after(view, *changes)

    assert holder_of(holders, view, CRON) is None
    _, epoch = granted(holders, view, life(2))
    assert epoch == 2


def test_a_replaced_life_holds_nothing_and_the_new_one_does_not_inherit() -> None:
    view = up_view(2)
    holders, _ = granted({}, view, life(1))
    view = after(view, Join(node(1, incarnation=2)), BecomeUp(life(1, 2)))

    assert holder_of(holders, view, CRON) is None
    holders, epoch = granted(holders, view, life(2))
    assert epoch == 2
    assert claim(holders, view, CRON, life(1, 2)).answer == HeldBy(life(2), Epoch(2))


@pytest.mark.parametrize(
    ("changes", "claimant", "why"),
    [
        ((), life(9), "not in it"),
        ((), life(1, 7), "not in it"),
        ((Join(node(3)),), life(3), "joining since view 5"),
        ((Leave(life(1)),), life(1), "leaving since view 5"),
        ((Down(life(1)),), life(1), "down since view 5"),
        ((Join(node(1, incarnation=2)), BecomeUp(life(1, 2))), life(1), "not in it"),
    ],
)
def test_only_a_member_that_is_up_is_granted(changes: tuple[ViewChange, ...], claimant: MemberId, why: str) -> None:
    view = after(up_view(2), *changes)
    for holders in ({}, {CRON: Holder(claimant, Epoch(3))}):
        reason = refused(claim(holders, view, CRON, claimant), holders)

        assert "singleton 'cron'" in reason
        assert str(claimant) in reason
        assert why in reason


# --- names


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "\x1b[2J", "a\u202eb", "\ud800", "\x7f", "a\u200b"])
def test_a_name_that_is_no_name_is_refused_in_one_line(name: str) -> None:
    holders: Holders = {}
    reason = refused(claim(holders, up_view(1), name, life(1)), holders)

    assert "the name of a singleton has" in reason
    assert reason.isprintable()
    assert len(reason) < 300


@pytest.mark.parametrize("name", ["x", "x" * 128, "nightly report", "tâche/1", "日次"])
def test_other_names_are_granted(name: str) -> None:
    granted({}, up_view(1), life(1), name)


def test_there_are_at_most_so_many_names_and_those_that_are_known_can_still_be_claimed() -> None:
    view = up_view(2)
    holders: Holders = {f"s{number}": Holder(life(1), Epoch(1)) for number in range(SINGLETONS_MAX - 1)}
    holders, _ = granted(holders, view, life(1), "last")

    reason = refused(claim(holders, view, "one more", life(1)), holders)

    assert "'one more'" in reason
    assert "1,024" in reason
    granted(holders, view, life(1), "last")
    assert claim(holders, view, "s5", life(2)).answer == HeldBy(life(1), Epoch(1))


# --- releases


def test_a_released_singleton_is_free_and_keeps_its_epoch() -> None:
    view = up_view(2)
    holders, epoch = granted({}, view, life(1))

    released = release(holders, CRON, life(1), epoch)

    assert released.is_released
    assert released.holders == {CRON: Holder(None, Epoch(1))}
    assert holder_of(released.holders, view, CRON) is None
    _, next_epoch = granted(released.holders, view, life(2))
    assert next_epoch == 2


@pytest.mark.parametrize(
    ("name", "claimant", "epoch"),
    [(CRON, life(1), 1), (CRON, life(1), 3), (CRON, life(2), 2), (CRON, life(1, 2), 2), ("mail", life(1), 2)],
)
def test_a_release_of_another_grant_changes_nothing(name: str, claimant: MemberId, epoch: int) -> None:
    view = up_view(2)
    holders, _ = granted({}, view, life(1))
    holders, _ = granted(holders, view, life(1))

    released = release(holders, name, claimant, Epoch(epoch))

    assert not released.is_released
    assert released.holders is holders


def test_a_second_release_changes_nothing() -> None:
    view = up_view(1)
    holders, epoch = granted({}, view, life(1))
    holders = release(holders, CRON, life(1), epoch).holders

    assert not release(holders, CRON, life(1), epoch).is_released


# --- all orders


@dataclass
class Cluster:
    """The state of the group, and what the processes outside believe: a process ends when it is in the view no more.

    `believers`: the lives whose actor may run, each with the epoch of its latest grant. A command that has been sent
    by one may arrive at any time later, when that has changed.
    """

    view: View
    holders: Holders = field(default_factory=dict)
    believers: dict[MemberId, int] = field(default_factory=dict)
    granted_in: dict[int, MemberId] = field(default_factory=dict)

    def change(self, change: ViewChange) -> None:
        decision = decide(self.view, change)
        if not isinstance(decision, Refused):
            self.view = decision.view
        self.believers = {one: epoch for one, epoch in self.believers.items() if self.view.find(one) is not None}
        self.check()

    def claim(self, claimant: MemberId) -> None:
        others = [one for one in self.believers if one != claimant]
        claimed = claim(self.holders, self.view, CRON, claimant)
        self.holders = claimed.holders
        if isinstance(claimed.answer, Granted):
            epoch = claimed.answer.epoch
            member = self.view.find(claimant)
            assert member is not None
            assert member.is_up
            assert not others, f"{claimant} was granted epoch {epoch}, and {others} may still run"
            assert epoch > max(self.granted_in, default=0), "epochs grow"
            self.granted_in[epoch] = claimant
            self.believers[claimant] = epoch
        elif isinstance(claimed.answer, HeldBy):
            assert self.view.find(claimed.answer.holder) is not None, "it is held by a member"
            assert self.granted_in[claimed.answer.epoch] == claimed.answer.holder
        self.check()

    def release(self, claimant: MemberId, epoch: int) -> None:
        """A release arrives: the actor of that epoch has stopped before it was sent."""
        released = release(self.holders, CRON, claimant, Epoch(epoch))
        is_current = self.believers.get(claimant) == epoch
        assert released.is_released == is_current or claimant not in self.believers
        self.holders = released.holders
        if is_current:
            del self.believers[claimant]
        self.check()

    def check(self) -> None:
        assert len(self.believers) <= 1
        holder = holder_of(self.holders, self.view, CRON)
        held = {} if holder is None else {holder.holder: holder.epoch}
        assert held == self.believers


A, B, A2 = life(1), life(2), life(1, 2)


def steps() -> list[Callable[[Cluster], None]]:
    claims = [lambda it: it.claim(A), lambda it: it.claim(B), lambda it: it.claim(A2)]
    leaving = [lambda it: it.change(Expel((A,), it.view.number)), lambda it: it.change(Remove(A))]
    return [*claims, *leaving, join_in_place, lambda it: it.release(A, 1)]


def join_in_place(cluster: Cluster) -> None:
    cluster.change(Join(node(1, incarnation=2)))
    cluster.change(BecomeUp(A2))


def test_in_every_order_of_claims_expulsion_removal_and_a_join_in_place_one_life_holds_it() -> None:
    grants = set()
    for order in permutations(steps()):
        cluster = Cluster(up_view(2))
        for step in order:
            step(cluster)
        grants.add(tuple(cluster.granted_in.values()))

    assert grants == {(A, B), (A, A2), (A,), (B,), (A2,)}


@pytest.mark.parametrize("seed", range(40))
def test_in_random_orders_one_life_holds_it_and_epochs_grow(seed: int) -> None:
    rng = random.Random(seed)
    cluster = Cluster(up_view(4))
    lives = [life(number) for number in range(1, 5)]
    for _ in range(600):
        members = [member.identity for member in cluster.view]
        one = rng.choice(rng.choice([lives, members or lives]))  # any life that ever was, or one that is in the view
        match rng.randrange(8):
            case 0 | 1:
                cluster.claim(one)
            case 2:
                cluster.release(one, rng.randint(0, 1 + max(cluster.granted_in, default=0)))
            case 3:
                cluster.change(Expel((one,), cluster.view.number))
            case 4:
                cluster.change(Leave(one) if rng.random() < 0.5 else Left(one))
            case 5:
                cluster.change(Remove(one))
            case 6:
                number = rng.randrange(1, 5)
                new = life(number, 2 + len(lives))
                lives.append(new)
                cluster.change(Join(node(number, new.incarnation, rng.choice(["", "elsewhere:7400"]))))
            case _:
                cluster.change(BecomeUp(one))
    assert len(set(cluster.granted_in.values())) > 1
