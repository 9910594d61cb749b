"""Partition policies: no two sides of any clean partition act, and what a node does while its situation changes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from functools import partial

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, Member, MemberId, MembershipState, ViewNumber
from coterie.protocols.membership.partition_policy import (
    KeepAll,
    KeepMajority,
    KeepRole,
    PartitionPolicy,
    PartitionWatch,
    Stand,
    StaticQuorum,
    stand,
)
from coterie.protocols.membership.view import View
from coterie.protocols.quorums import Majority

UP, LEAVING, DOWN, JOINING = (
    MembershipState.UP,
    MembershipState.LEAVING,
    MembershipState.DOWN,
    MembershipState.JOINING,
)
DB = frozenset({"db"})
Sides = list[list[Member]]


def view(*states: MembershipState, dbs: int = 0) -> View:
    members = tuple(
        Member(NodeId(f"n{at:03}"), Incarnation(1), f"n{at}:1", DB if at < dbs else frozenset(), state=state)
        for at, state in enumerate(states)
    )
    return View(ViewNumber(1), members)


def ids(members: list[Member]) -> frozenset[MemberId]:
    return frozenset(member.identity for member in members)


def policies(size: int) -> list[PartitionPolicy]:
    kinds: list[PartitionPolicy] = [KeepAll(), KeepMajority(), KeepMajority(Stand.END), KeepRole("db"), KeepRole("x")]
    return kinds + [StaticQuorum(number) for number in range(1, size + 1)]


def partitions(members: list[Member]) -> Iterator[Sides]:
    """Yield every way to cut `members` into any number of sides."""
    if not members:
        yield []
        return
    first, *rest = members
    for sides in partitions(rest):
        yield [[first], *sides]
        for at in range(len(sides)):
            yield [*sides[:at], [first, *sides[at]], *sides[at + 1 :]]


def check(seen: View, sides: Sides, group: Majority, policy: PartitionPolicy) -> None:
    stands = []
    for side in sides:
        has_quorum = group.is_quorum([member.name for member in side])
        taken = stand(policy, seen, ids(side), has_quorum=has_quorum)
        assert (taken is Stand.ACT) == has_quorum
        stands.append(taken)
    assert stands.count(Stand.ACT) <= 1
    if not isinstance(policy, KeepAll):
        assert sum(policy.keeps_serving(seen, ids(side)) for side in sides) <= 1


@pytest.mark.parametrize("size", range(1, 7))
def test_no_two_sides_of_any_partition_of_a_small_view_act_or_are_both_kept(size: int) -> None:
    mixed = itertools.product((UP, LEAVING, DOWN, JOINING), repeat=size)
    for members in [(UP,) * size, *itertools.islice(mixed, 0, None, 4**size // 16 + 1)]:
        seen = view(*members, dbs=size // 2)
        for sides in partitions(list(seen)):
            group = Majority(tuple(member.name for member in seen.members[: max(1, size // 2)]))
            for policy in policies(size):
                check(seen, sides, group, policy)


@pytest.mark.parametrize("seed", range(30))
def test_no_two_sides_of_a_random_partition_of_a_large_view_act_or_are_both_kept(seed: int) -> None:
    rng = random.Random(seed)
    seen = view(*rng.choices((UP, UP, UP, LEAVING, DOWN, JOINING), k=200), dbs=rng.randint(0, 200))
    group = Majority(tuple(member.name for member in rng.sample(seen.members, rng.randint(1, 7))))
    for count in (2, 2, 2, 3, 5):
        sides: Sides = [[] for _ in range(count)]
        for member in seen:
            rng.choice(sides[: rng.choice((1, count))]).append(member)
        for policy in (KeepAll(), KeepMajority(), KeepRole("db"), StaticQuorum(70), StaticQuorum(20)):
            check(seen, sides, group, policy)


def kept(policy: PartitionPolicy, seen: View, *numbers: int) -> Stand:
    return stand(policy, seen, ids([seen.members[number] for number in numbers]), has_quorum=False)


def test_keep_majority_serves_with_more_than_half_of_the_up_members_or_half_with_the_first_name() -> None:
    seen = view(UP, UP, UP, UP)
    assert [kept(KeepMajority(), seen, *side) for side in ((0, 1, 2), (3,))] == [Stand.SERVE, Stand.STOP]
    assert [kept(KeepMajority(), seen, *side) for side in ((1, 3), (0, 2))] == [Stand.STOP, Stand.SERVE]
    assert kept(KeepMajority(Stand.END), seen, 3) is Stand.END


def test_leaving_joining_and_down_members_and_other_lives_do_not_count() -> None:
    seen = view(LEAVING, JOINING, DOWN, UP)
    assert kept(KeepMajority(), seen, 0, 1, 2) is Stand.STOP
    assert kept(KeepMajority(), seen, 3) is Stand.SERVE

    reborn = frozenset({MemberId(NodeId("n003"), Incarnation(2))})
    assert stand(KeepMajority(), seen, reborn, has_quorum=False) is Stand.STOP
    assert kept(KeepMajority(), view(LEAVING, DOWN), 0, 1) is Stand.STOP


def test_static_quorum_serves_with_its_number_unless_the_view_has_grown_too_large_for_it() -> None:
    assert kept(StaticQuorum(3), view(*[UP] * 5), 0, 1, 2) is Stand.SERVE
    assert kept(StaticQuorum(3), view(*[UP] * 5), 0, 1) is Stand.STOP
    assert kept(StaticQuorum(3), view(*[UP] * 6), 0, 1, 2, 3) is Stand.STOP


def test_keep_role_serves_with_the_majority_of_the_role_alone() -> None:
    seen = view(*[UP] * 9, dbs=3)
    assert kept(KeepRole("db"), seen, 1, 2) is Stand.SERVE
    assert kept(KeepRole("db"), seen, 0, *range(3, 9)) is Stand.STOP
    assert kept(KeepRole("web"), seen, *range(9)) is Stand.STOP


def test_keep_all_serves_always() -> None:
    assert kept(KeepAll(), view(UP, UP, UP), 0) is Stand.SERVE


# --- made with bad input


def roles(size: int) -> dict[NodeId, frozenset[str]]:
    return {member.name: member.roles for member in view(*[UP] * size, dbs=1)}


@pytest.mark.parametrize(
    ("policy", "size", "message"),
    [
        (StaticQuorum(3), 6, r"StaticQuorum\(size=3.*cannot decide for 6 nodes.*two sides of 3.*must be 4 to 6"),
        (StaticQuorum(1), 2, r"cannot decide for 2 nodes.*two sides of 1.*must be 2 to 2"),
        (StaticQuorum(6), 5, r"cannot decide for 5 nodes.*not so many.*must be 3 to 5"),
        (KeepRole("web"), 3, r"KeepRole\(role='web'.*cannot decide for 3 nodes.*none has the role 'web'.*\['db'\]"),
    ],
)
def test_a_policy_that_cannot_decide_for_its_nodes_is_refused_and_named(
    policy: PartitionPolicy, size: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        PartitionWatch(policy, roles(size), stable_after_s=1.0)


@pytest.mark.parametrize("size", range(1, 9))
def test_static_quorum_accepts_exactly_the_numbers_that_decide(size: int) -> None:
    for number in range(1, size + 3):
        if 2 * number > size >= number:
            StaticQuorum(number).check(roles(size))
        else:
            with pytest.raises(ValueError, match="cannot decide"):
                StaticQuorum(number).check(roles(size))
        KeepMajority().check(roles(size))
        KeepAll().check(roles(size))
        KeepRole("db").check(roles(size))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 1 or above"):
        StaticQuorum(0)
    for kind in (KeepMajority, partial(KeepRole, "db"), partial(StaticQuorum, 1)):
        for otherwise in (Stand.ACT, Stand.SERVE):
            with pytest.raises(ValueError, match="must stop or end"):
                kind(otherwise)
    with pytest.raises(ValueError, match="stable_after_s must be 0 or above, not nan"):
        PartitionWatch(KeepAll(), roles(3), stable_after_s=float("nan"))


# --- over time


class Node:
    """One node of five that are up; it reaches as many as a test says."""

    def __init__(self, policy: PartitionPolicy) -> None:
        self.view = view(*[UP] * 5, dbs=1)
        self.watch = PartitionWatch(policy, roles(5), stable_after_s=10.0)

    def reaches(self, count: int, *, quorum: bool, now: float) -> Stand:
        reachable = ids(list(self.view.members[5 - count :]))
        return self.watch.observe(self.view, reachable, has_quorum=quorum, now=now)


def test_a_node_that_finds_a_quorum_at_its_start_acts_at_once_and_one_without_only_serves() -> None:
    assert Node(KeepMajority()).reaches(5, quorum=True, now=0.0) is Stand.ACT
    assert Node(KeepMajority()).watch.stand is Stand.SERVE
    assert Node(KeepMajority()).reaches(1, quorum=False, now=0.0) is Stand.SERVE


def test_a_side_that_loses_the_quorum_acts_no_more_at_once_and_stops_after_the_stability_period() -> None:
    node = Node(KeepMajority())
    node.reaches(5, quorum=True, now=0.0)

    assert node.reaches(2, quorum=False, now=100.0) is Stand.SERVE
    assert node.watch.deadline == 110.0
    assert node.reaches(2, quorum=False, now=109.9) is Stand.SERVE
    assert node.reaches(2, quorum=False, now=110.0) is Stand.STOP
    assert node.watch.deadline is None


def test_every_change_of_the_situation_begins_the_stability_period_anew() -> None:
    node = Node(KeepMajority())
    node.reaches(5, quorum=True, now=0.0)
    node.reaches(2, quorum=False, now=100.0)
    node.reaches(1, quorum=False, now=109.0)
    assert node.watch.deadline == 119.0
    assert node.reaches(1, quorum=False, now=118.9) is Stand.SERVE
    assert node.reaches(1, quorum=False, now=119.0) is Stand.STOP


def test_a_side_that_gets_the_quorum_back_acts_again_after_the_stability_period() -> None:
    node = Node(KeepMajority())
    node.reaches(1, quorum=False, now=0.0)
    assert node.reaches(1, quorum=False, now=10.0) is Stand.STOP
    assert node.reaches(3, quorum=True, now=50.0) is Stand.STOP
    assert node.reaches(3, quorum=True, now=60.0) is Stand.ACT


def test_a_side_that_keeps_the_quorum_acts_while_its_situation_changes() -> None:
    node = Node(KeepMajority())
    assert [node.reaches(count, quorum=True, now=now) for count, now in ((5, 0.0), (4, 1.0), (3, 2.0))] == [
        Stand.ACT
    ] * 3


def test_a_node_that_is_to_end_stays_ended() -> None:
    node = Node(KeepMajority(Stand.END))
    node.reaches(1, quorum=False, now=0.0)
    assert node.reaches(1, quorum=False, now=10.0) is Stand.END
    assert node.reaches(5, quorum=True, now=50.0) is Stand.END
    assert node.reaches(5, quorum=True, now=500.0) is Stand.END
    assert node.watch.deadline is None
