"""Ballots are totally ordered, and no two proposers ever draw the same."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos import Ballot

A, B = NodeId("a"), NodeId("b")


def test_ballots_are_ordered_by_round_and_then_by_node() -> None:
    ballots = [Ballot(2, A), Ballot(1, B), Ballot(10, A), Ballot(1, A), Ballot(2, B)]

    assert sorted(ballots) == [Ballot(1, A), Ballot(1, B), Ballot(2, A), Ballot(2, B), Ballot(10, A)]


def test_ballots_of_two_proposers_differ_in_the_same_round() -> None:
    """§2.2: different proposers choose their numbers from disjoint sets."""
    assert Ballot(1, A) != Ballot(1, B)
