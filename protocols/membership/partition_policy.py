"""Partition policies: decide what the nodes of one side of a partition do until it ends.

The side that has a quorum of the view's group goes on as the cluster: only it can decide views, so only it removes
members. No policy changes that. A policy decides what the nodes of any *other* side do: go on serving what is safe
without agreement, stop serving, or end. So at most one side of a clean partition acts, whatever the policies say.

    policy                the side goes on serving if it has                             needs
    KeepAll               (always)                                                       nothing
    KeepMajority          more than half of the up members, or half with the first name  nothing
    StaticQuorum(size)    `size` up members                                              more than half of the nodes
    KeepRole(role)        KeepMajority among the up members with that role               a node with that role

At most one side of a partition keeps serving beside the one that acts (with `KeepAll`: all do). Akka's split-brain
resolver has the same strategies (keep-majority, static-quorum); there, they decide who removes whom, which is why two
sides can go on there if the static number was wrong.

A node that has lost the quorum stops acting at once, since others may act from now on. What else it does, and that it
acts again, is decided when its situation has been the same for a while: see `PartitionWatch`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member, MemberId
from coterie.protocols.membership.view import View

__all__ = ["KeepAll", "KeepMajority", "KeepRole", "PartitionPolicy", "PartitionWatch", "Stand", "StaticQuorum", "stand"]


class Stand(enum.Enum):
    """What a node does in its present situation."""

    ACT = "act"
    """It takes part in everything: its side is the cluster."""
    SERVE = "serve"
    """It goes on with what is safe without agreement, and begins nothing that must exist once."""
    STOP = "stop"
    """It refuses requests until the partition ends."""
    END = "end"
    """Its process ends, and joins anew when it is started again. Final."""


class PartitionPolicy(Protocol):
    """Decides whether a side without the quorum keeps serving."""

    @property
    def otherwise(self) -> Stand:
        """What the nodes of a side do that does not keep serving: STOP or END."""
        ...

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        """Return whether the side of `reachable` members (the deciding node among them) keeps serving."""
        ...

    def check(self, roles_by_node: Mapping[NodeId, AbstractSet[str]]) -> None:
        """Raise ValueError if the policy cannot decide for these nodes."""
        ...


@dataclass(frozen=True, slots=True)
class KeepAll:
    """Every side keeps serving what is safe."""

    otherwise = Stand.STOP
    """Never used."""

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        """Return True."""
        return True

    def check(self, roles_by_node: Mapping[NodeId, AbstractSet[str]]) -> None:
        """Accept any nodes."""


@dataclass(frozen=True, slots=True)
class KeepMajority:
    """The side with more than half of the up members keeps serving; of two halves the one with the first name.

    Raises:
        ValueError: `otherwise` is neither STOP nor END.
    """

    otherwise: Stand = Stand.STOP

    def __post_init__(self) -> None:
        _check_otherwise(self.otherwise)

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        """Return whether `reachable` holds more than half of the up members, or half and the first by name."""
        return _has_majority(view.up, reachable)

    def check(self, roles_by_node: Mapping[NodeId, AbstractSet[str]]) -> None:
        """Accept any number of nodes: a tie is broken."""


@dataclass(frozen=True, slots=True)
class StaticQuorum:
    """A side with at least `size` up members keeps serving, as long as this is more than half of all up members.

    Raises:
        ValueError: `size` is below 1, or `otherwise` is neither STOP nor END.
    """

    size: int
    otherwise: Stand = Stand.STOP

    def __post_init__(self) -> None:
        _check_otherwise(self.otherwise)
        if self.size < 1:
            raise ValueError(f"{self}: the size of a quorum must be 1 or above")

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        """Return whether `reachable` holds `size` up members, and the rest of the view does not hold as many.

        Of a view that has grown to twice the size no side keeps serving: two could.
        """
        up = view.up
        return _count(up, reachable) >= self.size and 2 * self.size > len(up)

    def check(self, roles_by_node: Mapping[NodeId, AbstractSet[str]]) -> None:
        """Raise ValueError unless `size` is more than half of the nodes, and not more than all."""
        nodes = len(roles_by_node)
        if not nodes // 2 < self.size <= nodes:
            problem = (
                "there are not so many" if self.size > nodes else f"two sides of {self.size} could both keep serving"
            )
            raise ValueError(
                f"{self} cannot decide for {nodes} nodes, because {problem}: "
                f"its size must be {nodes // 2 + 1} to {nodes}"
            )


@dataclass(frozen=True, slots=True)
class KeepRole:
    """As `KeepMajority`, but only up members with `role` count.

    Raises:
        ValueError: `otherwise` is neither STOP nor END.
    """

    role: str
    otherwise: Stand = Stand.STOP

    def __post_init__(self) -> None:
        _check_otherwise(self.otherwise)

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        """Return whether `reachable` has the majority of the role; False if no up member has the role."""
        return _has_majority([member for member in view.up if self.role in member.roles], reachable)

    def check(self, roles_by_node: Mapping[NodeId, AbstractSet[str]]) -> None:
        """Raise ValueError if no node has the role."""
        if not any(self.role in roles for roles in roles_by_node.values()):
            known = sorted(frozenset[str]().union(*roles_by_node.values()))
            raise ValueError(
                f"{self} cannot decide for {len(roles_by_node)} nodes, because none has the role {self.role!r}: "
                f"their roles are {known}"
            )


def stand(policy: PartitionPolicy, view: View, reachable: AbstractSet[MemberId], *, has_quorum: bool) -> Stand:
    """Return what a node does.

    Args:
        policy: the policy, the same on all nodes.
        view: the last view that the node knows.
        reachable: the members that it reaches, itself among them.
        has_quorum: whether `reachable` holds a quorum of the view's group.
    """
    if has_quorum:
        return Stand.ACT
    return Stand.SERVE if policy.keeps_serving(view, reachable) else policy.otherwise


class PartitionWatch:
    """The stand of one node, as its situation changes.

    It loses ACT at once when its side loses the quorum (and serves then). Every other change comes when the situation
    (who is up, who of them is reachable, whether there is a quorum) has been the same for `stable_after_s`: a partition
    shows little by little, and a stand that is taken in the middle of it would soon be another. END is final.

    Attributes:
        stand: the present stand; SERVE before the first situation, which may make it ACT at once.

    Raises:
        ValueError: the policy cannot decide for the nodes, which are named, or `stable_after_s` is below 0.
    """

    __slots__ = ("_policy", "_since_s", "_situation", "_stable_after_s", "_target", "stand")

    def __init__(
        self,
        policy: PartitionPolicy,
        roles_by_node: Mapping[NodeId, AbstractSet[str]],
        *,
        stable_after_s: float,
    ) -> None:
        policy.check(roles_by_node)
        if not stable_after_s >= 0:
            raise ValueError(f"stable_after_s must be 0 or above, not {stable_after_s}")
        self._policy = policy
        self._stable_after_s = stable_after_s
        self._situation: object = ()
        self._since_s = 0.0
        self._target = Stand.SERVE
        self.stand = Stand.SERVE

    def observe(self, view: View, reachable: AbstractSet[MemberId], *, has_quorum: bool, now: float) -> Stand:
        """Take the situation at monotonic time `now` (s), as in `stand`; return the stand.

        Call it at every change, and at `deadline`.
        """
        reached = frozenset(member.identity for member in view if member.identity in reachable)
        situation = None if has_quorum else (view.up, reached)
        if self._situation == () and has_quorum:
            self.stand = Stand.ACT
        if situation != self._situation:
            self._situation, self._since_s = situation, now
            self._target = stand(self._policy, view, reachable, has_quorum=has_quorum)
        if self.stand is Stand.ACT and not has_quorum:
            self.stand = Stand.SERVE
        if self.stand is not Stand.END and now >= self._since_s + self._stable_after_s:
            self.stand = self._target
        return self.stand

    @property
    def deadline(self) -> float | None:
        """The time (monotonic, s) at which the stand changes if the situation stays the same; None if it does not."""
        if self.stand in (self._target, Stand.END):
            return None
        return self._since_s + self._stable_after_s


def _has_majority(counted: Sequence[Member], reachable: AbstractSet[MemberId]) -> bool:
    """Return whether `reachable` holds more than half of `counted` (sorted by name), or half with the first of them."""
    twice = 2 * _count(counted, reachable)
    return twice > len(counted) or (twice == len(counted) > 0 and counted[0].identity in reachable)


def _count(counted: Collection[Member], reachable: AbstractSet[MemberId]) -> int:
    return sum(member.identity in reachable for member in counted)


def _check_otherwise(otherwise: Stand) -> None:
    if otherwise not in (Stand.STOP, Stand.END):
        raise ValueError(f"a side that does not keep serving must stop or end, not {otherwise}")
