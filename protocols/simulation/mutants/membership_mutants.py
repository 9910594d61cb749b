"""Membership mutants: define bugs in how Raft remembers and changes its members, and treats the base of its log."""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.quorums import Joint, Majority, highest_matched
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.log.log_adoption import LogAdoption
from coterie.protocols.raft.membership import electorate
from coterie.protocols.raft.membership.catch_up import CatchUp, CatchUpState
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId
from coterie.protocols.raft.membership.reconfiguration import Reconfiguration
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import RaftMessage
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.raft.role import RoleState
from coterie.protocols.replicated_log import Entry, LogIndex
from coterie.protocols.simulation.directed import member_trials
from coterie.protocols.simulation.directed.log_trials import behind_the_base, beyond_the_base, dropped_members
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch, directed_mutant

__all__ = ["MEMBERSHIP_MUTANTS"]


def _truncate_without_facts(self: Durability, index: LogIndex) -> None:
    write = self._unsealed[-1] if self._unsealed else self._begin()
    if write.truncate_from is not None or write.entries:
        write = self._begin()
    self._disprove_from(index)
    write.truncate_from = index
    write.proves = LogIndex(index - 1)


def _find_conflict_from_the_first(self: RaftLog, entries: Sequence[Entry]) -> int:
    missing = [place for place, entry in enumerate(entries) if self.term_at(entry.index) != entry.term]
    return min(missing, default=len(entries))


def _need_nothing(self: Leadership, progress: Progress) -> None:
    pass


def _is_quorum_of_the_old(self: Joint, members: Collection[NodeId]) -> bool:
    return self.old.is_quorum(members)


def _is_quorum_of_the_new(self: Joint, members: Collection[NodeId]) -> bool:
    return self.new.is_quorum(members)


def _votes_unless_outgoing(self: MemberRole) -> bool:
    return self is not MemberRole.OUTGOING


def _votes_unless_incoming(self: MemberRole) -> bool:
    return self is not MemberRole.INCOMING


def _adopt_what_is_committed(self: RoleState) -> None:
    facts, committed = self.durability.hard_state.facts, self.log.commit_index
    effective = [members for index, members in facts.memberships if index <= committed]
    self.electorate.adopt((effective or [facts.memberships[0][1]])[-1])


def _may_always_append(self: Reconfiguration, leadership: Leadership) -> bool:
    return True


def _key_that_was_heard(member: Member, heard: Mapping[NodeId, StoreId]) -> NodeId:
    return NodeId(heard.get(member.node) or member.store_id or f"{member.node}?")


def _key_by_name(member: Member, heard: Mapping[NodeId, StoreId]) -> NodeId:
    return member.node


def _highest_replicated_with_itself(self: Leadership) -> LogIndex:
    index_by_member = {peer: progress.match_index for peer, progress in self._progress_by_peer.items()}
    index_by_member[self._node_id] = self._durability.durable_index
    members = dict.fromkeys((*self._electorate.quorum.members, self._node_id))
    return highest_matched(Majority(tuple(members)), index_by_member)


_lead = Reconfiguration._lead


def _lead_without_leaving(self: Reconfiguration, leadership: Leadership, membership: Membership) -> None:
    if not membership.is_joint:
        _lead(self, leadership, membership)


def _has_caught_up(self: CatchUp, **seen: object) -> CatchUpState:
    return CatchUpState.CAUGHT_UP


def _may_always_stand(self: Elections) -> bool:
    return True


def _may_stand_as_a_voter(self: Elections) -> bool:
    return self._electorate.is_voter


def _ask_nobody(self: LogAdoption) -> None:
    """Take no log from anybody."""


def _hears_nobody_else(self: Raft, stranger: NodeId, message: RaftMessage) -> bool:
    return False


_changing = partial(directed_mutant, "members")


MEMBERSHIP_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "members: not rolled back on truncation",
        DirectedTrial("dropped members", Level.PROTOCOL, lambda seed: dropped_members()),
        (Patch(Durability, "truncate_from", _truncate_without_facts),),
    ),
    Mutant(
        "log base: ignored by the follower",
        DirectedTrial("beyond the base", Level.PROTOCOL, lambda seed: beyond_the_base()),
        (Patch(RaftLog, "find_conflict", _find_conflict_from_the_first),),
    ),
    Mutant(
        "log base: ignored by the leader",
        DirectedTrial("behind the base", Level.PROTOCOL, lambda seed: behind_the_base()),
        (Patch(Leadership, "_need_snapshot", _need_nothing),),
    ),
    _changing(
        "joint decision of the old voters alone",
        member_trials.half_a_joint_quorum,
        Patch(Joint, "is_quorum", _is_quorum_of_the_old),
    ),
    _changing(
        "joint decision of the new voters alone",
        member_trials.half_a_joint_quorum,
        Patch(Joint, "is_quorum", _is_quorum_of_the_new),
    ),
    _changing(
        "learner counted",
        member_trials.learners_acknowledge,
        Patch(MemberRole, "is_old", property(_votes_unless_incoming)),
        Patch(MemberRole, "is_new", property(_votes_unless_outgoing)),
    ),
    _changing(
        "membership effective when committed",
        member_trials.membership_counts_at_once,
        Patch(RoleState, "members_changed", _adopt_what_is_committed),
    ),
    _changing(
        "change before an own-term entry",
        member_trials.change_by_a_new_leader,
        Patch(Reconfiguration, "_may_append", _may_always_append),
    ),
    _changing(
        "old store accepted after its replacement",
        member_trials.replaced_store_acknowledges,
        Patch(electorate, "_key", _key_that_was_heard),
    ),
    _changing(
        "name counted for store",
        member_trials.replaced_store_acknowledges,
        Patch(electorate, "_key", _key_by_name),
    ),
    _changing(
        "removed leader counts itself",
        member_trials.removed_leader_counts,
        Patch(Leadership, "highest_replicated", _highest_replicated_with_itself),
    ),
    _changing(
        "joint state never left",
        member_trials.endless_joint_state,
        Patch(Reconfiguration, "_lead", _lead_without_leaving),
    ),
    _changing(
        "learner promoted before it has caught up",
        member_trials.promotion_of_a_learner_that_is_behind,
        Patch(CatchUp, "observe", _has_caught_up),
        Patch(Leadership, "has_answered_lately", lambda self, peer: True),  # the second check of the same property
    ),
    _changing(
        "removed node asks for votes",
        member_trials.removed_node_asks_for_votes,
        Patch(Elections, "may_stand", _may_always_stand),
    ),
    _changing(
        "removed leader does not finish its removal",
        member_trials.removal_that_only_the_removed_leader_has,
        Patch(Elections, "may_stand", _may_stand_as_a_voter),
        Patch(LogAdoption, "ask", _ask_nobody),  # the second way to the entry
    ),
    _changing(
        "no vote for a candidate that is not known",
        member_trials.vote_for_a_candidate_that_is_not_known,
        Patch(Raft, "_is_heard", _hears_nobody_else),
    ),
)
"""The mutants of changing members are killed by directed schedules."""
