"""Member changes: say what an operator may change about the members of a group, and which membership comes next.

    AddLearner      ─ learner
    AddVoter        ─ learner ─ (caught up) ─ incoming │ voter
    Promote         ─           (caught up) ─ incoming │ voter
    Remove          ─                         outgoing │ gone            (a learner is gone at once)
    ReplaceStore    ─ learner ─ (caught up) ─ incoming │ voter           (the new store; the old one with it:)
                                              outgoing │ gone

Each word between two lines is one membership entry, and the next one follows once it is committed. Left of the bar
the group is joint (dissertation §4.3). `next_step` needs nothing but the present membership: so a change that was
interrupted is taken up by repeating it, and repeating one that is finished changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Majority
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId

__all__ = [
    "AddLearner",
    "AddVoter",
    "MemberChange",
    "NextStep",
    "Promote",
    "Remove",
    "ReplaceStore",
    "next_step",
]


@dataclass(frozen=True, slots=True)
class AddLearner:
    """Let the store `store` on `node` get all entries, and count for nothing. `address`: see `Member`."""

    node: NodeId
    store: StoreId
    address: str | None = None

    def __str__(self) -> str:
        """Return the change in words."""
        return f"add the learner {self.node} (store {self.store})"


@dataclass(frozen=True, slots=True)
class AddVoter:
    """Add a learner, and let it vote once it has caught up."""

    node: NodeId
    store: StoreId
    address: str | None = None

    def __str__(self) -> str:
        """Return the change in words."""
        return f"add the voter {self.node} (store {self.store})"


@dataclass(frozen=True, slots=True)
class Promote:
    """Let the learner on `node` vote once it has caught up; if it is to replace another store, in place of that."""

    node: NodeId

    def __str__(self) -> str:
        """Return the change in words."""
        return f"promote {self.node}"


@dataclass(frozen=True, slots=True)
class Remove:
    """Let `node` be no member any more, whether it votes or learns."""

    node: NodeId

    def __str__(self) -> str:
        """Return the change in words."""
        return f"remove {self.node}"


@dataclass(frozen=True, slots=True)
class ReplaceStore:
    """Let `store` take the place of the present store of `node`; `address` None: that of the present one.

    If it has taken that place already, only the address is changed, if it is another one.
    """

    node: NodeId
    store: StoreId
    address: str | None = None

    def __str__(self) -> str:
        """Return the change in words."""
        return f"replace the store of {self.node} by {self.store}"


MemberChange = AddLearner | AddVoter | Promote | Remove | ReplaceStore


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of a change.

    Attributes:
        membership: what to append next; None: the change is done.
        learner: the member that must have caught up before that; None: none.
    """

    membership: Membership | None = None
    learner: Member | None = None


DONE: Final = NextStep()


def next_step(change: MemberChange, membership: Membership, *, former_nodes: Collection[NodeId] = ()) -> NextStep:
    """Return what `change` needs next, given the present `membership`, which is not joint.

    Args:
        change: the change.
        membership: the effective one.
        former_nodes: nodes that have been members: the removal of one that is none any more is done.

    Raises:
        ValueError: the change cannot be made; the text says why, and what to do.
    """
    membership = _of_simple_majorities(membership)
    match change:
        case AddLearner():
            return _add(change, membership, is_voter=False)
        case AddVoter():
            return _add(change, membership, is_voter=True)
        case Promote():
            return _promote(change.node, membership)
        case Remove():
            return _remove(change.node, membership, former_nodes)
        case ReplaceStore():
            return _replace_store(change, membership)
        case _:
            assert_never(change)


def _of_simple_majorities(membership: Membership) -> Membership:
    quorum = membership.quorum
    if isinstance(quorum, Majority) and sorted(quorum.members) == sorted(membership.voters):
        return replace(membership, quorum=None)
    if quorum is not None:
        raise ValueError(
            f"the members of a group with {quorum!r} cannot be changed: only a group in which more than half of all "
            "voters decide can change; move its data into a new group"
        )
    return membership


def _add(change: AddLearner | AddVoter, membership: Membership, *, is_voter: bool) -> NextStep:
    present = membership.members_on(change.node)
    known = next((member for member in present if member.store_id == change.store), None)
    if known is not None and change.address not in (None, known.address):
        raise ValueError(
            f"{change.node} is a member with the address {known.address}, not {change.address}: replace its store by "
            "itself, at the new address"
        )
    if known is None:
        _check_store_is_free(change.store, membership)
        if present:
            raise ValueError(f"{change.node} is a member with {_stores(present)}: replace its store, or remove it")
        return NextStep(_changed(membership, (), Member(change.node, change.store, MemberRole.LEARNER, change.address)))
    if is_voter:
        return _promote(change.node, membership)
    if known.role is not MemberRole.LEARNER:
        raise ValueError(f"{change.node} is a voter: remove it first, then add it as a learner")
    return DONE


def _promote(node: NodeId, membership: Membership) -> NextStep:
    present = _members_on(node, membership)
    learner = next((member for member in present if member.role is MemberRole.LEARNER), None)
    if learner is None:
        return DONE
    incoming = replace(learner, role=MemberRole.INCOMING)
    replaced = [replace(member, role=MemberRole.OUTGOING) for member in present if member is not learner]
    return NextStep(_changed(membership, present, incoming, *replaced), learner)


def _remove(node: NodeId, membership: Membership, former_nodes: Collection[NodeId]) -> NextStep:
    if not membership.members_on(node) and node in former_nodes:
        return DONE
    present = _members_on(node, membership)
    learners = [member for member in present if member.role is MemberRole.LEARNER]
    if learners:
        return NextStep(_changed(membership, learners))  # the voter whose store was to be replaced follows
    if membership.voters == (node,):
        raise ValueError(f"{node} is the last voter of the group: add another voter first")
    outgoing = [replace(member, role=MemberRole.OUTGOING) for member in present]
    return NextStep(_changed(membership, present, *outgoing))


def _replace_store(change: ReplaceStore, membership: Membership) -> NextStep:
    present = _members_on(change.node, membership)
    known = next((member for member in present if member.store_id == change.store), None)
    if known is not None and change.address not in (None, known.address):
        return NextStep(_changed(membership, [known], replace(known, address=change.address)))  # the quorum is the same
    if known is not None:
        is_learner_only = len(present) == 1
        return DONE if is_learner_only else _promote(change.node, membership)
    _check_store_is_free(change.store, membership)
    if any(member.store_id is None for member in present):
        raise ValueError(f"the store of {change.node} is not known to the group yet: start {change.node}, it will be")
    learners = [member for member in present if member.role is MemberRole.LEARNER]  # of a replacement that was given up
    former = next((member for member in present if member.role is MemberRole.VOTER), present[0])
    new = Member(change.node, change.store, MemberRole.LEARNER, change.address or former.address)
    return NextStep(_changed(membership, learners, new))


def _members_on(node: NodeId, membership: Membership) -> tuple[Member, ...]:
    present = membership.members_on(node)
    if not present:
        raise ValueError(f"{node} is no member of the group: its members are {', '.join(membership.nodes)}")
    return present


def _check_store_is_free(store: StoreId, membership: Membership) -> None:
    holder = next((member.node for member in membership.members if member.store_id == store), None)
    if holder is not None:
        raise ValueError(f"the store {store} is that of the member {holder}: a store is a member once")


def _changed(membership: Membership, out: Collection[Member], *added: Member) -> Membership:
    """Return `membership` without the members `out`, and with those `added`."""
    kept = [member for member in membership.members if member not in out]
    return replace(membership, members=(*kept, *added))


def _stores(members: Sequence[Member]) -> str:
    return " and ".join(f"the store {member.store_id}" for member in members)
