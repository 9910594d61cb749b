"""Links that carry nothing in one direction: who steps down, who leads next, and who must not (dissertation §6.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import PreVote, RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from tests.protocols.raft.cut_links import CutGroup, Link

N1 = NodeId("n1")
Cut = Callable[[int], set[Link]]


def cut_off(size: int, cut: Collection[Link]) -> CutGroup:
    """Return a group that n1 leads, without these links."""
    return CutGroup(DirectedGroup.led_by(N1, size), cut)


def from_leader(size: int) -> set[Link]:
    return {("n1", f"n{number}") for number in range(2, size + 1)}


def to_leader(size: int) -> set[Link]:
    return {(to, sender) for sender, to in from_leader(size)}


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("cut", [from_leader, to_leader])
def test_a_leader_cut_off_in_one_direction_leads_no_longer_than_two_time_outs(size: int, cut: Cut) -> None:
    cut_group = cut_off(size, cut(size))
    while N1 in cut_group.leaders():
        cut_group.step()

    assert cut_group.periods <= 2.0 + 1e-9


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("cut", [from_leader, to_leader])
def test_another_leader_is_elected_within_four_time_outs_and_stays(size: int, cut: Cut) -> None:
    cut_group = cut_off(size, cut(size))
    cut_group.go_on(4.0)
    (leader,) = cut_group.leaders()
    assert leader != N1

    cut_group.go_on(20.0)

    assert cut_group.leaders() == [leader]
    assert cut_group.group[leader].term == 2


def test_a_leader_that_is_heard_by_nobody_follows_the_next_one_which_it_hears() -> None:
    cut_group = cut_off(3, from_leader(3))

    cut_group.go_on(4.0)

    (leader,) = cut_group.leaders()
    assert (cut_group.group[N1].leader, cut_group.group[N1].role) == (leader, RaftRole.FOLLOWER)


def test_a_leader_that_hears_nobody_asks_for_pre_votes_and_disturbs_nobody() -> None:
    cut_group = cut_off(3, to_leader(3))

    cut_group.go_on(10.0)

    assert cut_group.group[N1].role is RaftRole.PRE_CANDIDATE
    assert cut_group.group[N1].term == 1
    asked = [observed for observed in cut_group.group.observed if observed.event == "raft.pre_vote_started"]
    assert sum(observed.facts["node"] == N1 for observed in asked) > 10


@pytest.mark.parametrize("size", [3, 5])
def test_a_leader_that_hears_all_leads_on_although_one_follower_hears_nothing(size: int) -> None:
    last = f"n{size}"
    cut_group = cut_off(size, {(f"n{number}", last) for number in range(1, size)})

    cut_group.go_on(20.0)

    assert cut_group.leaders() == [N1]
    assert (cut_group.group[N1].term, cut_group.group[last].role) == (1, RaftRole.PRE_CANDIDATE)


@pytest.mark.parametrize("size", [3, 5])
def test_a_leader_that_one_follower_alone_does_not_hear_leads_on(size: int) -> None:
    last = f"n{size}"
    cut_group = cut_off(size, {("n1", last)})

    cut_group.go_on(20.0)

    assert cut_group.leaders() == [N1]
    assert cut_group.group[last].term == 1


def test_a_follower_whose_answers_are_lost_stays_a_follower() -> None:
    cut_group = cut_off(3, {("n3", "n1"), ("n3", "n2")})

    cut_group.go_on(20.0)

    assert cut_group.leaders() == [N1]
    assert cut_group.group["n3"].leader == N1
    assert not cut_group.group.drop(kind=PreVote)
