"""Quorum systems: define the sets of nodes that may decide (majority, weighted, grid, joint); any two intersect.

The safety of every algorithm rests on one property: any two quorums share a node. Each class here has it by arithmetic
that its constructor checks; `verify_intersection` checks it for other quorum systems.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

from coterie.protocols.algorithm import NodeId

__all__ = ["Grid", "Joint", "Majority", "Quorum", "Weighted", "highest_matched", "verify_intersection"]

N = TypeVar("N", bound=int)

VERIFIABLE_MEMBERS_MAX = 16
"""`verify_intersection` tries half of all subsets: 2**15 of them at this size."""


class Quorum(Protocol):
    """A set of quorums over `members`, of which every two intersect; a superset of a quorum is a quorum."""

    @property
    def members(self) -> tuple[NodeId, ...]:
        """All nodes that count, each once, in a fixed order."""
        ...

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return whether `members` contains a quorum. Non-members and repetitions are ignored."""
        ...

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Quorum:
        """Return the same quorums over other names. KeyError if `new_by_member` lacks a member."""
        ...


@dataclass(frozen=True)
class Majority:
    """More than half of the members. ValueError if there are none, or one is named twice."""

    members: tuple[NodeId, ...]
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_members(self.members)
        object.__setattr__(self, "size", len(self.members) // 2 + 1)

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return whether more than half of all members are among `members`."""
        return _count(self.members, members) >= self.size

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Majority:
        """Return the majority of other names."""
        return Majority(tuple(new_by_member[member] for member in self.members))


class Weighted:
    """Members with weights: a quorum weighs at least `threshold`.

    Args:
        weight_by_member: a positive whole number for each member.
        threshold: the least weight of a quorum; None: more than half of the total.

    Raises:
        ValueError: no members, a weight below 1, or a threshold that two disjoint sets could both reach.
    """

    def __init__(self, weight_by_member: Mapping[NodeId, int], *, threshold: int | None = None) -> None:
        self.weight_by_member = dict(weight_by_member)
        """The weight of each member. Do not modify it."""
        self._members = tuple(self.weight_by_member)
        _check_members(self._members)
        total = sum(self.weight_by_member.values())
        self.threshold = total // 2 + 1 if threshold is None else threshold
        if min(self.weight_by_member.values()) < 1:
            raise ValueError("every weight must be at least 1: a node without a vote is not a member")
        if not total < 2 * self.threshold <= 2 * total:
            raise ValueError(
                f"threshold {self.threshold} must be above half of the total weight {total} and at most it"
            )

    @property
    def members(self) -> tuple[NodeId, ...]:
        """All nodes that count, in the order given."""
        return self._members

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return whether the members among `members` weigh at least the threshold."""
        return sum(weight for node, weight in self.weight_by_member.items() if node in members) >= self.threshold

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Weighted:
        """Return the same weights for other names."""
        weights = {new_by_member[member]: weight for member, weight in self.weight_by_member.items()}
        return Weighted(weights, threshold=self.threshold)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Weighted):
            return NotImplemented
        return (self.weight_by_member, self.threshold) == (other.weight_by_member, other.threshold)

    def __hash__(self) -> int:
        return self.threshold

    def __repr__(self) -> str:
        return f"Weighted({self.weight_by_member}, threshold={self.threshold})"


class Grid:
    """Members in rows: a quorum is one full row and at least one of every row (so it meets every other full row).

    Args:
        rows: the rows, which may differ in length.

    Raises:
        ValueError: no rows, an empty row, or a member named twice.
    """

    def __init__(self, rows: Sequence[Sequence[NodeId]]) -> None:
        self.rows = tuple(tuple(row) for row in rows)
        """The rows."""
        self._members = tuple(itertools.chain.from_iterable(self.rows))
        _check_members(self._members)
        if not all(self.rows):
            raise ValueError("an empty row would count as full without any node: two quorums need not intersect")

    @property
    def members(self) -> tuple[NodeId, ...]:
        """All nodes that count, row by row."""
        return self._members

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return whether `members` has a full row and at least one member in every row."""
        counts = [(_count(row, members), len(row)) for row in self.rows]
        return all(count for count, _ in counts) and any(count == size for count, size in counts)

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Grid:
        """Return the same grid of other names."""
        return Grid([[new_by_member[member] for member in row] for row in self.rows])

    def __eq__(self, other: object) -> bool:
        return self.rows == other.rows if isinstance(other, Grid) else NotImplemented

    def __hash__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        return f"Grid({self.rows})"


@dataclass(frozen=True)
class Joint:
    """Joint consensus: a quorum in each of two quorum systems, while a cluster changes from one to the other (Raft §6).

    Two joint quorums intersect because their halves do.
    """

    old: Quorum
    new: Quorum

    @property
    def members(self) -> tuple[NodeId, ...]:
        """All nodes of either, each once, the old ones first."""
        return tuple(dict.fromkeys(self.old.members + self.new.members))

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return whether `members` contains a quorum of both."""
        return self.old.is_quorum(members) and self.new.is_quorum(members)

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> Joint:
        """Return the joint quorums of other names."""
        return Joint(self.old.renamed(new_by_member), self.new.renamed(new_by_member))


def highest_matched(quorum: Quorum, number_by_member: Mapping[NodeId, N]) -> N:
    """Return the highest number that a quorum has reached, or 0 (Raft §5.3, "stored on a majority of the servers").

    `number_by_member` maps members to what each has reached, such as the last index known to be durable there; missing
    members have reached nothing.
    """
    nothing = cast("N", 0)
    if type(quorum) is Majority:  # the usual one; this runs at every reply
        reached = sorted(map(number_by_member.get, quorum.members, itertools.repeat(nothing)))
        return reached[-quorum.size]
    for number in sorted(number_by_member.values(), reverse=True):
        if quorum.is_quorum([node for node, reached in number_by_member.items() if reached >= number]):
            return number
    return nothing


def verify_intersection(quorum: Quorum) -> None:
    """Raise ValueError unless every two quorums of `quorum` intersect.

    Two disjoint quorums exist exactly if some set and its complement are both quorums; all such pairs are tried, which
    is why more than 16 members are refused.
    """
    members = quorum.members
    _check_members(members)
    if len(members) > VERIFIABLE_MEMBERS_MAX:
        raise ValueError(f"cannot verify {len(members)} members by trial (at most {VERIFIABLE_MEMBERS_MAX})")
    if not quorum.is_quorum(members):
        raise ValueError("all members together must be a quorum")
    for mask in range(2 ** (len(members) - 1)):
        chosen = [node for place, node in enumerate(members) if mask >> place & 1]
        others = [node for place, node in enumerate(members) if not mask >> place & 1]
        if quorum.is_quorum(chosen) and quorum.is_quorum(others):
            raise ValueError(f"two quorums do not intersect: {chosen} and {others}")


def _check_members(members: tuple[NodeId, ...]) -> None:
    if not members:
        raise ValueError("a quorum needs at least one member")
    if len(dict.fromkeys(members)) != len(members):
        raise ValueError(f"a member is named twice: {members}")


def _count(members: tuple[NodeId, ...], present: Collection[NodeId]) -> int:
    return sum([node in present for node in members])
