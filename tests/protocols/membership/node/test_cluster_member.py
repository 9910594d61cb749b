"""One node's part in membership, driven by hand: what it asks for, what it says of others, what it does as leader."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.membership.members import Incarnation, Member, ViewNumber
from coterie.protocols.membership.node import (
    ChangeRefused,
    ChangeRequest,
    ClusterMember,
    Ended,
    Follow,
    FollowAnswered,
    FollowFailed,
    GroupIs,
    HandedOver,
    LeaveWanted,
    MemberAlerts,
    MemberEffect,
    MemberInput,
    MemberMessage,
    MemberProbe,
    MemberProbeReply,
    MembershipConfig,
    Proposal,
    ProposalAnswered,
    ProposalFailed,
    StandChanged,
    ViewHint,
)
from coterie.protocols.membership.partition_policy import KeepMajority, Stand
from coterie.protocols.membership.view import View
from coterie.protocols.membership.view_changes import BecomeUp, Down, Expel, Join, Leave, Left, Remove, ViewChange
from coterie.protocols.membership.view_decisions import Done, Refused, decide_together
from coterie.protocols.simulation.directed.view_trials import view_of

VOTERS = tuple(NodeId(f"n{number:03}") for number in (1, 2, 3))


class Lone:
    """A member whose group answers at once; everything that it sends is kept."""

    def __init__(self, me: Member, view: View, *, leader: str = "n002") -> None:
        self.view, self.me = view, me
        self.member = ClusterMember(
            me,
            MembershipConfig(),
            policy=KeepMajority(),
            roles_by_node={name: frozenset[str]() for name in VOTERS},
            rng=random.Random(1),
        )
        self.now = 0.0
        self.is_reachable = True
        self.sent: list[tuple[str, MemberMessage]] = []
        self.others: list[MemberEffect] = []
        self.give(GroupIs(NodeId(leader), VOTERS))

    def give(self, *events: MemberInput) -> None:
        self._take(self.member.handle(events, now=self.now))

    def hear(self, sender: str, message: MemberMessage) -> None:
        self.give(Received(NodeId(sender), message))

    def decide(self, *changes: ViewChange) -> None:
        self.view = decide_together(self.view, changes).view

    def run(self, until: float, *, deaf_to: Sequence[str] = ()) -> None:
        """Let time pass; members answer probes, except some."""
        for _ in range(10_000):
            deadline = self.member.deadline
            if deadline is None or deadline > until:
                self.now = until
                return
            self.now = max(self.now, deadline)
            before = len(self.sent)
            self._take(self.member.tick(now=self.now))
            for to, message in self.sent[before:]:
                if isinstance(message, MemberProbe) and to not in deaf_to:
                    self.hear(to, MemberProbeReply(message.incarnation, message.number))
        raise AssertionError(f"it never rests at {self.now}")

    def stand(self) -> Stand:
        return self.member.stand

    def asked(self) -> list[ViewChange]:
        return [message.change for _, message in self.sent if isinstance(message, ChangeRequest)]

    def alerts(self) -> list[MemberAlerts]:
        return [message for _, message in self.sent if isinstance(message, MemberAlerts)]

    def proposals(self) -> list[Proposal]:
        return [effect for effect in self.others if isinstance(effect, Proposal)]

    def _take(self, effects: Sequence[MemberEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append((effect.to, effect.message))
            elif isinstance(effect, Follow):
                newer = self.view if self.view.number > effect.known else None
                self.give(FollowAnswered(effect.token, newer) if self.is_reachable else FollowFailed(effect.token))
            else:
                self.others.append(effect)


def in_view(size: int = 3, number: int = 1, *, leader: str = "n002") -> Lone:
    """Return one of the members of a view, all of which are up."""
    view = view_of(size)
    return Lone(view.members[number - 1], view, leader=leader)


def newcomer(name: str = "n004", incarnation: int = 9, address: str = "host4:7400") -> Member:
    return Member(NodeId(name), Incarnation(incarnation), address)


# --- own changes


def test_a_new_node_reads_the_view_asks_to_join_then_to_be_up_and_acts() -> None:
    me = newcomer()
    lone = Lone(me, view_of(3))
    assert lone.asked() == [Join(me, me.incarnation)]

    lone.decide(Join(me))
    lone.run(1.5)
    lone.decide(BecomeUp(me.identity))
    lone.run(3.0)
    assert lone.asked()[-1] == BecomeUp(me.identity)
    assert lone.stand() is Stand.ACT
    assert lone.member.view == lone.view


def test_it_asks_again_every_second_until_a_view_shows_what_it_wants() -> None:
    lone = Lone(newcomer(), view_of(3))
    lone.run(3.5)

    assert len(lone.asked()) == 4


@pytest.mark.parametrize(("address", "replaced"), [("host2:7400", 1), ("elsewhere:1", 9)])
def test_a_restarted_node_says_that_the_life_at_its_own_address_has_ended(address: str, replaced: int) -> None:
    me = newcomer("n002", address=address)
    lone = Lone(me, view_of(3), leader="n001")

    assert lone.asked() == [Join(me, Incarnation(replaced))]


def test_a_late_request_of_a_life_that_has_ended_does_not_take_the_place_of_the_next_one() -> None:
    """Seed 61 of the schedules: the life after it would be out at once, while it holds its lease."""
    first, second = newcomer(incarnation=8), newcomer(incarnation=9)
    late = Lone(first, view_of(3)).asked()
    view = decide_together(view_of(3), [Join(second), BecomeUp(second.identity)]).view

    together = decide_together(view, late)
    assert isinstance(together.outcomes[0], Refused)
    assert "two nodes are called 'n004'" in together.outcomes[0].reason


def test_a_member_that_leaves_announces_it_hands_over_and_holds_nothing_from_then_on() -> None:
    lone = in_view()
    me = lone.me.identity
    lone.give(LeaveWanted())
    lone.decide(Leave(me))
    lone.run(2.0)
    assert lone.asked() == [Leave(me)]
    assert lone.member.lease_ends_at > lone.now

    lone.give(HandedOver())
    lone.run(4.0)
    assert lone.asked()[-1] == Left(me)
    assert lone.member.lease_ends_at < 0
    lone.decide(Left(me))
    lone.run(6.0)
    assert lone.others[-1] == Ended("it has left", True)
    assert lone.member.deadline is None


@pytest.mark.parametrize("change", [Down, Remove])
def test_a_life_that_is_out_ends_and_does_nothing_any_more(change: type[Down]) -> None:
    lone = in_view()
    lone.decide(Down(lone.me.identity), change(lone.me.identity))
    lone.run(2.0)

    assert isinstance(lone.others[-1], Ended)
    assert not lone.others[-1].is_wanted
    assert lone.member.handle([LeaveWanted()], now=3.0) == []
    assert lone.member.tick(now=9.0) == []


def test_a_life_that_was_let_in_and_removed_before_it_knew_ends_too() -> None:
    """An earlier core asked to join for ever, and was refused for ever."""
    me = newcomer()
    view = decide_together(view_of(3), [Join(me), Down(me.identity), Remove(me.identity)]).view
    lone = Lone(me, view)

    assert lone.others[-1] == Ended("'n004' (incarnation 9) was removed since view 2", False)


def test_a_refusal_is_known_for_this_life_only_and_reported_once() -> None:
    lone = Lone(newcomer(), view_of(3))
    lone.hear("n002", ChangeRefused(Incarnation(8), "another life"))
    assert lone.member.refusal == ""
    for _ in range(2):
        lone.hear("n002", ChangeRefused(Incarnation(9), "two of one name"))

    assert lone.member.refusal == "two of one name"
    assert [effect for effect in lone.others if isinstance(effect, Observe)] == [
        Observe("membership.change_refused", {"reason": "two of one name"})
    ]


# --- the lease


def test_a_member_that_does_not_reach_the_group_stops_when_its_lease_ends_and_acts_again_after_a_while() -> None:
    lone = in_view()
    lone.run(5.0)
    ends_at = lone.member.lease_ends_at
    lone.is_reachable = False
    lone.run(ends_at - 0.001)
    assert lone.stand() is Stand.ACT
    lone.run(ends_at)
    assert lone.stand() is Stand.SERVE

    lone.is_reachable = True
    lone.run(ends_at + 5.0)
    assert [effect.stand for effect in lone.others if isinstance(effect, StandChanged)][-1] is Stand.ACT


def test_a_member_acts_again_also_while_others_come_and_go_every_second() -> None:
    """An earlier watch waited until the view had stayed the same for 3 s, which may be never."""
    lone = in_view()
    lone.run(5.0)
    lone.is_reachable = False
    lone.run(8.0)
    assert lone.stand() is not Stand.ACT
    lone.is_reachable = True
    for number in range(10):
        lone.decide(Join(newcomer(f"x{number}", address=f"x{number}:1")), BecomeUp(newcomer(f"x{number}").identity))
        lone.run(9.0 + number)
    assert lone.stand() is Stand.ACT


def test_a_hint_makes_it_read_at_once_and_an_older_view_changes_nothing() -> None:
    lone = in_view()
    old = lone.member.view
    lone.decide(Join(newcomer()))
    lone.hear("n002", ViewHint(lone.view.number))
    assert lone.member.view == lone.view

    lone.give(FollowAnswered(1, old), FollowAnswered(99, replace(old, number=ViewNumber(0))))
    assert lone.member.view == lone.view


# --- probes and alerts


def test_only_this_life_answers_probes() -> None:
    lone = in_view()
    lone.hear("n003", MemberProbe(Incarnation(7), 5))
    assert (NodeId("n003"), MemberProbeReply(Incarnation(7), 5)) not in lone.sent
    lone.hear("n003", MemberProbe(Incarnation(1), 6))

    assert lone.sent[-1] == ("n003", MemberProbeReply(Incarnation(1), 6))


def test_a_silent_member_is_accused_to_all_voters_every_second_and_then_no_more() -> None:
    lone = in_view()
    lone.run(6.0, deaf_to=["n003"])
    accused = (lone.view.members[2].identity,)
    told = [(to, message) for to, message in lone.sent if isinstance(message, MemberAlerts)]
    assert {to for to, _ in told} == {"n002", "n003"}
    assert {message for _, message in told} == {MemberAlerts(lone.view.number, lone.me.identity, accused)}
    assert lone.member.unheard == accused

    lone.sent.clear()
    lone.run(20.0)
    assert [message.accused for message in lone.alerts()].count(()) == 2 * 3
    assert lone.alerts()[-1].accused == ()


# --- the leader


def accuse(lone: Lone, *numbers: int, by: Sequence[int]) -> None:
    members = lone.view.members
    for observer in by:
        accused = tuple(members[number - 1].identity for number in numbers)
        lone.hear(members[observer - 1].name, MemberAlerts(lone.view.number, members[observer - 1].identity, accused))


def test_the_leader_proposes_one_expulsion_and_waits_for_what_became_of_it() -> None:
    lone = in_view(5, leader="n001")
    lone.run(6.0)
    accuse(lone, 5, by=[2, 3, 4])
    lone.run(9.9, deaf_to=["n005"])
    accuse(lone, 5, by=[2, 3, 4])
    lone.run(12.0, deaf_to=["n005"])
    expel = Expel((lone.view.members[4].identity,), lone.view.number)
    assert [proposal.changes for proposal in lone.proposals()] == [(expel,)]

    lone.is_reachable = False
    lone.give(ProposalAnswered(lone.proposals()[0].token, (Done("down"),)))
    lone.run(12.5, deaf_to=["n005"])
    assert len(lone.proposals()) == 1


def test_a_leader_whose_proposals_fail_at_once_does_not_turn_round_and_round() -> None:
    lone = in_view(5, leader="n001")
    lone.decide(Down(lone.view.members[4].identity))
    lone.run(6.0)
    failed = 0
    while lone.now < 9.0:
        if len(lone.proposals()) > failed:
            failed += 1
            lone.give(ProposalFailed(lone.proposals()[-1].token, "no leader"))
        lone.run(lone.now + 0.01)
    assert 3 <= failed <= 7


@pytest.mark.parametrize("cut_off_s", [4.0, 9.0, 30.0])
def test_a_leader_that_was_cut_off_proposes_to_expel_nobody_when_it_is_back(cut_off_s: float) -> None:
    """Seed 272 of the schedules: it took all others for crashed, and the group decided that when it was back."""
    lone = in_view(5, leader="n001")
    lone.run(6.0)
    lone.is_reachable = False
    others = ["n002", "n003", "n004"]
    lone.run(6.0 + cut_off_s, deaf_to=others)
    accuse(lone, 2, 3, 4, by=[5])
    lone.run(lone.now + 0.2, deaf_to=others)
    lone.is_reachable = True
    lone.run(lone.now + 10.0)
    assert lone.proposals() == []


def test_a_member_that_is_down_is_removed_a_lease_later_and_not_before() -> None:
    lone = in_view(5, leader="n001")
    lone.decide(Down(lone.view.members[4].identity))
    seen_at = 0.7
    lone.run(seen_at)
    lone.run(2.6)
    assert lone.proposals() == []
    lone.run(seen_at + 2.7)

    assert [proposal.changes for proposal in lone.proposals()] == [(Remove(lone.view.members[4].identity),)]


def test_many_that_ask_together_become_one_proposal_and_a_refused_one_is_told() -> None:
    lone = in_view(3, leader="n001")
    joins = [Join(newcomer(f"n{number:03}", address=f"host{number}:1")) for number in range(4, 54)]
    for join in joins:
        lone.hear(join.member.name, ChangeRequest(join))
        lone.hear(join.member.name, ChangeRequest(join))
    lone.run(1.0)
    assert [proposal.changes for proposal in lone.proposals()] == [tuple(joins)]

    outcomes: list[Done | Refused] = [Refused("two of one name"), *(Done("joins") for _ in joins[1:])]
    lone.give(ProposalAnswered(lone.proposals()[0].token, tuple(outcomes)))
    assert ("n004", ChangeRefused(Incarnation(9), "two of one name")) in lone.sent


def test_a_node_that_does_not_lead_passes_a_request_on_once() -> None:
    lone = in_view(3, leader="n002")
    join = Join(newcomer())
    lone.hear("n004", ChangeRequest(join))
    lone.hear("n003", ChangeRequest(join, is_forwarded=True))
    lone.hear("n002", ChangeRequest(join))

    assert [(to, message) for to, message in lone.sent if isinstance(message, ChangeRequest)] == [
        ("n002", ChangeRequest(join, is_forwarded=True))
    ]


def test_a_leader_that_leads_no_more_forgets_what_it_had_to_propose() -> None:
    lone = in_view(3, leader="n001")
    lone.hear("n004", ChangeRequest(Join(newcomer())))
    lone.give(GroupIs(NodeId("n002"), VOTERS))
    lone.give(GroupIs(NodeId("n001"), VOTERS))
    lone.run(2.0)
    assert lone.proposals() == []


def test_voters_whose_expulsion_is_refused_do_not_hold_up_that_of_others() -> None:
    lone = in_view(6, leader="n001")
    lone.run(6.0)
    for _ in range(8):
        accuse(lone, 2, 3, 6, by=[4, 5])
        lone.run(lone.now + 1.0, deaf_to=["n002", "n003", "n006"])
    first = lone.proposals()[0]
    ids = [lone.view.members[number - 1].identity for number in (2, 3, 6)]
    assert first.changes == (Expel(tuple(ids), lone.view.number),)
    lone.give(ProposalAnswered(first.token, (Refused("no quorum"),)))
    accuse(lone, 2, 3, 6, by=[4, 5])
    lone.run(lone.now + 1.0, deaf_to=["n002", "n003", "n006"])

    assert lone.proposals()[-1].changes == (Expel((ids[2],), lone.view.number),)
