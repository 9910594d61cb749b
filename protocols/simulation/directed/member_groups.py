"""Member groups: begin directed groups with any membership, and let a leader and some of its members go on alone."""

from __future__ import annotations

from collections.abc import Callable

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

__all__ = ["group_of", "last_for", "members_of", "membership_entry"]


def members_of(**role_by_store: str) -> Membership:
    """Return a membership; a store is named like its node: `members_of(n1="voter", n2="learner")`."""
    return Membership(
        tuple(Member(NodeId(store), StoreId(store), MemberRole(role)) for store, role in role_by_store.items())
    )


def membership_entry(index: int, term: int, membership: Membership) -> Entry:
    """Return the entry of a membership."""
    return Entry(LogIndex(index), Term(term), EntryKind.MEMBERSHIP, membership.encode())


def group_of(
    membership: Membership, *, config: Callable[[tuple[NodeId, ...]], RaftConfig] = RaftConfig
) -> DirectedGroup:
    """Return a group whose nodes n1, n2, … have begun with `membership`, which is committed."""
    facts = GroupFacts(bytes(INCARNATION_BYTES), membership, AT_THE_BEGINNING, ((LogIndex(0), membership),))
    disks = {str(node): RaftDisk(HardState(Term(0), None, facts)) for node in membership.nodes}
    return DirectedGroup(len(membership.nodes), config=config, disks=disks)


def last_for(group: DirectedGroup, leader: str, periods: float, *names: str) -> None:
    """Let `leader` go on for `periods` (longest) election time-outs, together with `names` only (none: alone)."""
    end = group.now + periods * group.config.election_timeout_max_s
    while group.now < end:
        group.tick(leader)
        group.settle(leader, *names)
