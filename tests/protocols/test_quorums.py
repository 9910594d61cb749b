"""Quorums: what counts, and that every two intersect."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Mapping

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Grid, Joint, Majority, Quorum, Weighted, highest_matched, verify_intersection
from coterie.protocols.replicated_log import LogIndex


def nodes(names: str) -> tuple[NodeId, ...]:
    return tuple(NodeId(name) for name in names)


class Anybody:
    """A broken quorum system: one member is enough."""

    members = nodes("abc")

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        return len(members) > 0

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Anybody:
        raise NotImplementedError


SYSTEMS: list[Quorum] = [
    Majority(nodes("a")),
    Majority(nodes("ab")),
    Majority(nodes("abc")),
    Majority(nodes("abcd")),
    Majority(nodes("abcde")),
    Weighted({NodeId("a"): 3, NodeId("b"): 1, NodeId("c"): 1, NodeId("d"): 1}),
    Weighted({NodeId("a"): 1, NodeId("b"): 2, NodeId("c"): 2}, threshold=4),
    Grid([nodes("abc"), nodes("def"), nodes("ghi")]),
    Grid([nodes("a"), nodes("bcd")]),
    Joint(Majority(nodes("abc")), Majority(nodes("cde"))),
]


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_every_two_quorums_intersect(quorum: Quorum) -> None:
    subsets = [
        frozenset(chosen)
        for size in range(len(quorum.members) + 1)
        for chosen in itertools.combinations(quorum.members, size)
    ]
    quorums = [subset for subset in subsets if quorum.is_quorum(subset)]

    assert quorums
    assert all(one & other for one, other in itertools.combinations(quorums, 2))


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_superset_of_a_quorum_is_a_quorum(quorum: Quorum) -> None:
    rng = random.Random(1)
    for _ in range(200):
        subset = rng.sample(quorum.members, rng.randint(0, len(quorum.members)))
        if quorum.is_quorum(subset):
            assert quorum.is_quorum([*subset, rng.choice(quorum.members)])


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_verification_accepts_what_intersects(quorum: Quorum) -> None:
    verify_intersection(quorum)


@pytest.mark.parametrize(("size", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)])
def test_majority_is_more_than_half_of_all(size: int, needed: int) -> None:
    members = nodes("abcdefg")[:size]
    quorum = Majority(members)

    assert quorum.is_quorum(members[:needed])
    assert not quorum.is_quorum(members[: needed - 1])


def test_non_members_and_repetitions_do_not_count() -> None:
    quorum = Majority(nodes("abc"))

    assert not quorum.is_quorum(nodes("axyz"))
    assert not quorum.is_quorum(nodes("aaaa"))


def test_weighted_counts_weights() -> None:
    quorum = Weighted({NodeId("a"): 3, NodeId("b"): 1, NodeId("c"): 1})

    assert quorum.is_quorum(nodes("a"))
    assert not quorum.is_quorum(nodes("bc"))


def test_grid_needs_a_full_row_and_somebody_of_each() -> None:
    quorum = Grid([nodes("ab"), nodes("cd")])

    assert quorum.is_quorum(nodes("abc"))
    assert not quorum.is_quorum(nodes("ab"))
    assert not quorum.is_quorum(nodes("bd"))


def test_joint_needs_both_halves() -> None:
    quorum = Joint(Majority(nodes("abc")), Majority(nodes("cde")))

    assert quorum.members == nodes("abcde")
    assert quorum.is_quorum(nodes("bcd"))
    assert not quorum.is_quorum(nodes("abc"))
    assert not quorum.is_quorum(nodes("cde"))


@pytest.mark.parametrize("quorum", SYSTEMS, ids=repr)
def test_renamed_members_form_the_same_quorums(quorum: Quorum) -> None:
    new_by_member = {member: NodeId(f"store of {member}") for member in quorum.members}
    renamed = quorum.renamed(new_by_member)

    assert renamed.members == tuple(new_by_member.values())
    for size in range(len(quorum.members) + 1):
        for members in itertools.combinations(quorum.members, size):
            assert renamed.is_quorum([new_by_member[each] for each in members]) == quorum.is_quorum(members)
            assert not renamed.is_quorum(members)


def test_verification_names_two_quorums_that_do_not_intersect() -> None:
    with pytest.raises(ValueError, match="two quorums do not intersect"):
        verify_intersection(Anybody())


def test_verification_refuses_what_is_too_large_to_try() -> None:
    with pytest.raises(ValueError, match="cannot verify 17 members"):
        verify_intersection(Majority(nodes("abcdefghijklmnopq")))


@pytest.mark.parametrize("members", [(), nodes("aba")])
def test_majority_of_nobody_or_of_one_named_twice_is_refused(members: tuple[NodeId, ...]) -> None:
    with pytest.raises(ValueError, match="member"):
        Majority(members)


@pytest.mark.parametrize("threshold", [0, 1, 2, 5])
def test_weighted_refuses_a_threshold_that_cannot_be_safe_or_reached(threshold: int) -> None:
    with pytest.raises(ValueError, match="above half"):
        Weighted(dict.fromkeys(nodes("abcd"), 1), threshold=threshold)


def test_weighted_refuses_a_weight_below_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Weighted({NodeId("a"): 0, NodeId("b"): 1})


def test_grid_refuses_an_empty_row() -> None:
    with pytest.raises(ValueError, match="empty row"):
        Grid([nodes("ab"), ()])


@pytest.mark.parametrize(
    ("matched", "expected"),
    [((0, 0, 0), 0), ((5, 0, 0), 0), ((5, 3, 0), 3), ((5, 5, 0), 5), ((3, 5, 4), 4), ((7, 7, 7), 7)],
)
def test_highest_matched_is_what_a_majority_has_reached(matched: tuple[int, ...], expected: int) -> None:
    index_by_member = {NodeId(name): LogIndex(index) for name, index in zip("abc", matched, strict=True)}

    assert highest_matched(Majority(nodes("abc")), index_by_member) == expected


def test_highest_matched_counts_missing_members_as_having_nothing() -> None:
    assert highest_matched(Majority(nodes("abc")), {NodeId("a"): LogIndex(9)}) == 0


def test_highest_matched_obeys_weights() -> None:
    quorum = Weighted({NodeId("a"): 3, NodeId("b"): 1, NodeId("c"): 1})
    index_by_member = {NodeId("a"): LogIndex(2), NodeId("b"): LogIndex(9), NodeId("c"): LogIndex(9)}

    assert highest_matched(quorum, index_by_member) == 2
