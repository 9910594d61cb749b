"""`MembershipChecker`: checks how the members of a Raft group change (dissertation §4), and which of them may decide.

| invariant | broken when |
| --- | --- |
| `raft.membership_step` | the voters change other than by a joint membership, or not to those that it names |
| `raft.membership_settled` | a leader appends a membership although the last one is not committed |
| `raft.membership_reported` | a leader goes by a membership that differs from what becomes durable under its index |
| `raft.membership_own_entry` | a leader changes the voters before an entry of its own term is committed |

It computes quorums with its own arithmetic. A member is named by its store; one whose store is not known yet by its
node, as in simulations of the algorithm alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership
from coterie.protocols.replicated_log import Entry, LogIndex, Term

__all__ = ["MembershipChecker", "RecordedMembership", "decides"]

OLD, NEW = (MemberRole.VOTER, MemberRole.OUTGOING), (MemberRole.VOTER, MemberRole.INCOMING)


class RecordedMembership(NamedTuple):
    """A membership in a log, with the index and the term of its entry."""

    position: LogIndex
    term: Term
    membership: Membership


def decides(membership: Membership, supporters: Collection[NodeId]) -> bool:
    """Return whether `supporters` may decide for the group: a majority of the old voters and one of the new ones."""
    if membership.quorum is not None:
        return membership.quorum.is_quorum(supporters)
    return all(_is_majority(_voters(membership, roles), supporters) for roles in (OLD, NEW))


class MembershipChecker:
    """The memberships by which the leader of each term goes."""

    def __init__(self, context: ViolationContext) -> None:
        self._context = context
        self._by_term: dict[Term, list[RecordedMembership]] = {}

    def of(self, term: Term) -> Sequence[RecordedMembership]:
        """Return the memberships in the log of the leader of `term`, ascending: the last two, and what came since."""
        return self._by_term.get(term, ())

    def report(
        self, node: NodeId, term: Term, memberships: Sequence[RecordedMembership], committed: LogIndex, own_term: bool
    ) -> bool:
        """Check the memberships of `node`, which leads `term`; return whether one of them is new.

        `committed`: the last committed entry; `own_term`: whether an entry of `term` is committed.
        """
        known = self._by_term.setdefault(term, [])
        added = [each for each in memberships if not known or each.position > known[-1].position]
        for each in added:
            if each.term == term and known:
                self._check_step(node, known[-1], each, committed, own_term)
            known.append(each)
        return bool(added)

    def wrote(self, node: NodeId, entry: Entry) -> None:
        """Check a membership entry that has become durable against what a leader goes by."""
        recorded = next((each for each in self.of(entry.term) if each.position == entry.index), None)
        if recorded is not None and recorded.membership.encode() != entry.command:
            detail = f"the members at {entry.index} are {entry.command!r}, the leader goes by {recorded.membership}"
            self._context.fail("raft.membership_reported", node, detail)

    def _check_step(
        self, node: NodeId, before: RecordedMembership, after: RecordedMembership, committed: LogIndex, own_term: bool
    ) -> None:
        fail, old, new = self._context.fail, before.membership, after.membership
        if before.position > committed:
            detail = f"appends members at {after.position}, those at {before.position} are not committed ({committed})"
            fail("raft.membership_settled", node, detail)
        if _is_completed(old, new):
            return
        if not own_term:
            detail = f"changes the members at {after.position} before an entry of term {after.term} is committed"
            fail("raft.membership_own_entry", node, detail)
        present = _voters(old, NEW)
        if old.is_joint:
            is_right = not new.is_joint and _voters(new, NEW) == present
        else:
            is_right = _voters(new, OLD) == present and (new.is_joint or _voters(new, NEW) == present)
        if not is_right:
            fail("raft.membership_step", node, f"the members {old.members} are followed by {new.members}")


def _is_completed(old: Membership, new: Membership) -> bool:
    """Return whether `new` only names stores that were not known."""
    return [(each.node, each.role) for each in old.members] == [(each.node, each.role) for each in new.members]


def _key(member: Member) -> NodeId:
    return member.node if member.store_id is None else NodeId(member.store_id)


def _voters(membership: Membership, roles: Collection[MemberRole]) -> list[NodeId]:
    return sorted(_key(member) for member in membership.members if member.role in roles)


def _is_majority(voters: Collection[NodeId], supporters: Collection[NodeId]) -> bool:
    return 2 * sum(voter in supporters for voter in voters) > len(voters)
