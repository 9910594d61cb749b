"""`RegistrationRule`: two stores of one name never both become active, whatever kind of quorum decides."""

from __future__ import annotations

import itertools

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Majority, Quorum, Weighted
from coterie.protocols.registration_rule import RegistrationRule, confirmations_needed


def nodes(names: str) -> tuple[NodeId, ...]:
    return tuple(NodeId(name) for name in names)


A, B, C, D, E = nodes("abcde")

SYSTEMS: list[Quorum] = [
    *(Majority(nodes("abcdefg"[:size])) for size in range(1, 8)),
    Weighted({A: 1, B: 1, C: 1}),
    Weighted({A: 3, B: 1, C: 1, D: 1}, threshold=4),
    Weighted({A: 3, B: 2, C: 2, D: 1, E: 1}),
    Weighted({A: 5, B: 1, C: 1}),
    Grid([(A, B), (C, D)]),
    Grid([(A,), (B, C, D)]),
    Grid([(A, B, C), (D, E)]),
]


def subsets(members: tuple[NodeId, ...]) -> list[tuple[NodeId, ...]]:
    return [chosen for size in range(len(members) + 1) for chosen in itertools.combinations(members, size)]


def tolerated_losses(voter: NodeId, quorum: Quorum) -> list[tuple[NodeId, ...]]:
    """All sets with `voter` that leave a quorum."""
    return [
        lost
        for lost in subsets(quorum.members)
        if voter in lost and quorum.is_quorum([member for member in quorum.members if member not in lost])
    ]


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_two_registrations_of_one_name_meet_at_a_voter_that_lost_nothing(quorum: Quorum) -> None:
    for voter in quorum.members:
        rule = RegistrationRule(voter, quorum)
        others = tuple(member for member in quorum.members if member != voter)
        enough = [confirmed for confirmed in subsets(others) if rule.is_enough(confirmed)]
        for lost in tolerated_losses(voter, quorum):
            for first, second in itertools.combinations_with_replacement(enough, 2):
                assert [member for member in first if member in second and member not in lost]


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_all_others_together_are_enough_and_more_never_harm(quorum: Quorum) -> None:
    for voter in quorum.members:
        rule = RegistrationRule(voter, quorum)
        others = tuple(member for member in quorum.members if member != voter)
        assert rule.is_enough(others)
        for confirmed in subsets(others):
            if rule.is_enough(confirmed):
                assert all(rule.is_enough((*confirmed, other)) for other in others)


def test_with_majorities_a_number_of_confirmations_decides() -> None:
    assert [confirmations_needed(voters) for voters in range(1, 8)] == [0, 1, 2, 2, 3, 4, 5]
    for voters in range(1, 100):
        others, tolerated = voters - 1, (voters - 1) // 2
        needed = confirmations_needed(voters)
        assert 2 * needed - others > tolerated - 1  # one more in common than can be wiped beside the name itself
        assert needed <= others
        assert needed > others / 2 or voters == 1
    for size in range(1, 8):
        members = nodes("abcdefg"[:size])
        equal_weights = RegistrationRule(A, Weighted(dict.fromkeys(members, 1)))
        for confirmed in subsets(members[1:]):
            by_count = len(confirmed) >= confirmations_needed(size)
            assert RegistrationRule(A, Majority(members)).is_enough(confirmed) == by_count
            assert equal_weights.is_enough(confirmed) == by_count


def test_confirmations_of_strangers_and_of_the_voter_itself_do_not_count() -> None:
    rule = RegistrationRule(A, Majority((A, B, C)))

    assert not rule.is_enough([A, B, NodeId("x")])
    assert rule.is_enough([B, C])


def test_registration_is_possible_until_too_many_refuse() -> None:
    rule = RegistrationRule(A, Majority((A, B, C, D, E)))

    assert rule.is_possible([B])
    assert not rule.is_possible([B, C])


def test_voter_that_is_in_no_quorum_waits_for_nothing() -> None:
    assert RegistrationRule(NodeId("x"), Weighted({A: 1, B: 1, C: 1})).is_enough([])


def test_heavy_voter_is_remembered_by_more_than_half_of_the_others() -> None:
    """It may not be lost at all: no group can go on without it. But if it is, no second one comes in its place."""
    rule = RegistrationRule(A, Weighted({A: 3, B: 1, C: 1, D: 1}, threshold=4))

    assert [confirmed for confirmed in subsets((B, C, D)) if rule.is_enough(confirmed)] == [
        (B, C), (B, D), (C, D), (B, C, D),
    ]  # fmt: skip
