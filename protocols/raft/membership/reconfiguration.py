"""`Reconfiguration`: changes the members of a group by joint consensus, and lets removed nodes leave (dissertation §4).

    ChangeMembers ─▶ begin ─ refused at once, or under way
                       │
       advance ────────┴─▶ may a membership be appended? ── no ─▶ wait
                              │ the last one is committed, and so is an entry of the leader's own term
                              ├─ it is joint ───────────────────▶ append the one that follows (every leader does)
                              ├─ a change is under way ─────────▶ its next step (see `member_changes`), or it is done
                              └─ this leader is no voter ───────▶ hand over, step down

A membership counts as soon as it is in a node's log (§4.1). In the joint state elections and commitment need a majority
of the old voters and one of the new ones (§4.3): see `Membership.quorum_of`.

Prior art: etcd leaves the joint state by itself, too (`AutoLeave`); its changes of one voter skip it. Here every change
of voters passes it: one rule, and a lost disk is replaced in one step.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.membership.catch_up import FETCHES_MAX, CatchUp, CatchUpState
from coterie.protocols.raft.membership.member_changes import MemberChange, NextStep, Remove, next_step
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.raft_effects import ChangeEnded, ChangeMembers
from coterie.protocols.raft.raft_observations import CHANGE_ENDED, CHANGE_STARTED, MEMBER_REMOVED, MEMBERS_APPENDED
from coterie.protocols.raft.role import RoleState
from coterie.protocols.raft.transfer import Transfer
from coterie.protocols.replicated_log import LogIndex

__all__ = ["ChangePhase", "ChangeStatus", "Reconfiguration"]

LOST: Final = (
    "unknown: this node leads no more, and cannot tell whether the change is made: ask the new leader for the members, "
    "and repeat the command if they are not as they should be"
)
NOT_BEGUN: Final = "this node leads no more; nothing was changed: repeat the command"

GIVEN_UP: Final = {
    CatchUpState.SILENT: "does not answer: start it, or check that it can be reached",
    CatchUpState.STALLED: "answers, but takes no entries: its disk may be stuck or full",
    CatchUpState.LOSES_SNAPSHOTS: (
        f"has begun to fetch a snapshot more than {FETCHES_MAX} times, and has none: its disk may be full (its log has "
        "group.snapshot_not_received)"
    ),
    CatchUpState.TOO_SLOW: "is too slow: entries come faster than it takes them",
}


class ChangePhase(enum.Enum):
    """How far a change is."""

    COMMITTING = "committing"  # a membership that is not joint waits for a quorum
    CATCHING_UP = "catching up"  # a learner lacks entries
    HELD = "held"  # a learner has caught up, and must not be promoted yet
    JOINT = "joint"  # a joint membership waits for both quorums


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """A change that is under way, for operators.

    Attributes:
        change: what an operator asked of this leader; None: this leader completes what an earlier one began.
        phase: how far it is.
        entries_left: while a learner catches up, how many entries it lacks; else 0.
        waits_for: the nodes that have not acknowledged what is waited for.
        because: why a promotion is held; else empty.
    """

    change: MemberChange | None
    phase: ChangePhase
    entries_left: int
    waits_for: tuple[NodeId, ...]
    because: str = ""


@dataclass(slots=True)
class _UnderWay:
    ref: int
    change: MemberChange
    leadership: Leadership
    may_promote: bool
    because: str
    has_appended: bool = False
    catch_up: CatchUp | None = None
    is_held: bool = False


class Reconfiguration:
    """The changes of members of one node: at most one at a time.

    Args:
        role_state: of this node.
        transfer: hands leadership over when this node is removed.
    """

    __slots__ = ("_role_state", "_settled", "_transfer", "_under_way", "_was_member")

    def __init__(self, role_state: RoleState, transfer: Transfer) -> None:
        self._role_state = role_state
        self._transfer = transfer
        self._under_way: _UnderWay | None = None
        self._settled: Membership | None = None
        """The last membership about which nothing is left to do."""
        own_store, facts = StoreId(role_state.node_id), role_state.durability.hard_state.facts
        self._was_member = role_state.electorate.is_member or any(
            member.store_id == own_store for _, membership in facts.memberships for member in membership.members
        )

    # What an operator asks for.

    def begin(self, event: ChangeMembers) -> None:
        """Begin a change, or say why not."""
        state, leadership = self._role_state, self._role_state.leadership
        under_way, membership = self._under_way, state.electorate.membership
        if under_way is not None and event.change == Remove(under_way.change.node) and not _is_joint(membership):
            self._end(under_way, "another command gave it up, and removes the node")
        reason = self._why_not_now() if leadership is not None else f"{state.electorate.own_node} does not lead"
        if leadership is None or reason is not None:
            state.outbox.add(ChangeEnded(event.ref, False, reason or "", is_passing=self._under_way is None))
            return
        try:
            step = self._next_step(event.change)
            self._check_quorum(step, leadership)
        except ValueError as error:
            state.outbox.add(ChangeEnded(event.ref, False, str(error)))
            return
        self._settled = None
        because = "" if event.may_promote else "it is not known yet whether the learner may vote"
        self._under_way = _UnderWay(event.ref, event.change, leadership, event.may_promote, because)
        state.outbox.observe(CHANGE_STARTED, term=state.term, change=str(event.change))

    def allow_promotion(self, because: str | None) -> None:
        """Note that the learner of the change that is under way may become a voter, or why it may not."""
        if self._under_way is not None:
            self._under_way.may_promote, self._under_way.because = because is None, because or ""

    @property
    def status(self) -> ChangeStatus | None:
        """The change that is under way on this leader; None if there is none."""
        leadership, under_way = self._role_state.leadership, self._under_way
        membership = self._role_state.electorate.membership
        if leadership is None or membership is None or (under_way is None and not membership.is_joint):
            return None
        change = None if under_way is None else under_way.change
        index = self._role_state.durability.hard_state.facts.membership_index
        if index > self._role_state.log.commit_index or membership.is_joint:
            phase = ChangePhase.JOINT if membership.is_joint else ChangePhase.COMMITTING
            return ChangeStatus(change, phase, 0, leadership.voters_behind(index))
        if under_way is None or (learner := self._learner(under_way)) is None:
            return ChangeStatus(change, ChangePhase.COMMITTING, 0, ())
        return self._learner_status(under_way, learner, leadership)

    # What a turn brings.

    def advance(self) -> None:
        """Do what is due: the next membership, the end of a change, the end of this node's membership."""
        state = self._role_state
        leadership, membership = state.leadership, state.electorate.membership
        if self._under_way is not None and self._under_way.leadership is not leadership:
            self._end(self._under_way, LOST if self._under_way.has_appended else NOT_BEGUN, is_passing=True)
        if membership is None or membership is self._settled:
            return  # as it mostly is
        self._was_member = self._was_member or state.electorate.is_member
        if state.durability.hard_state.facts.membership_index > state.log.commit_index:
            return
        if leadership is None:
            self._follow(membership)
        elif self._may_append(leadership):
            self._lead(leadership, membership)

    # Inside.

    def _follow(self, membership: Membership) -> None:
        """As a follower: the effective membership is committed."""
        state = self._role_state
        if not membership.is_joint:  # else there is something to do if this node comes to lead
            self._settled = membership
        if self._was_member and not state.electorate.is_member:
            self._was_member = False
            index = state.durability.hard_state.facts.membership_index
            if index > state.electorate.expelled_at:  # else that was observed when it was told
                state.outbox.observe(MEMBER_REMOVED, term=state.term, index=index)

    def _lead(self, leadership: Leadership, membership: Membership) -> None:
        """As the leader: the effective membership is committed, and the next one may be appended."""
        if membership.is_joint:
            self._append(leadership, membership.after_joint())
        elif self._under_way is not None:
            self._proceed(self._under_way)
        elif not self._role_state.electorate.is_voter:
            self._transfer.leave(leadership)
        else:
            self._settled = membership

    def _may_append(self, leadership: Leadership) -> bool:
        """Return whether an entry of this leader's term is committed: before that it may not change the members.

        Else it could change them apart from another leader, whose change it has not got (Ongaro's correction of 2015).
        """
        return leadership.may_commit(self._role_state.log.commit_index)

    def _proceed(self, under_way: _UnderWay) -> None:
        try:
            step = self._next_step(under_way.change)
            if step.membership is None:
                self._end(under_way, None)
            elif step.learner is None or self._has_caught_up(under_way, step.learner):
                self._check_quorum(step, under_way.leadership)
                self._append(under_way.leadership, step.membership)
                under_way.has_appended, under_way.catch_up = True, None
        except ValueError as error:
            self._end(under_way, str(error))

    def _append(self, leadership: Leadership, membership: Membership) -> None:
        state = self._role_state
        index = state.append_members(leadership, membership)
        members = ", ".join(f"{member.node}: {member.role.value}" for member in membership.members)
        state.outbox.observe(
            MEMBERS_APPENDED, term=state.term, index=index, members=members, is_joint=membership.is_joint
        )

    def _has_caught_up(self, under_way: _UnderWay, learner: Member) -> bool:
        """Return whether `learner` may become a voter now. ValueError if it is given up."""
        state, key = self._role_state, NodeId(str(learner.store_id))
        progress, last_index, config = under_way.leadership.progress_of(key), state.log.last_index, state.config
        if under_way.catch_up is None:
            shortest_s, longest_s = config.election_timeout_min_s, config.election_timeout_max_s
            under_way.catch_up = CatchUp(
                now=state.now, last_index=last_index, shortest_s=shortest_s, longest_s=longest_s
            )
        found = under_way.catch_up.observe(
            match_index=LogIndex(0) if progress is None else progress.match_index,
            last_index=last_index,
            has_answered=under_way.leadership.has_answered_lately(key),
            fetched=progress.fetched if progress is not None and progress.needs_snapshot else None,
            now=state.now,
        )
        if found in GIVEN_UP:
            raise ValueError(f"{learner.node} {GIVEN_UP[found]}; it remains a learner: repeat the command then")
        under_way.is_held = found is CatchUpState.CAUGHT_UP and not under_way.may_promote
        return found is CatchUpState.CAUGHT_UP and under_way.may_promote

    def _next_step(self, change: MemberChange) -> NextStep:
        state = self._role_state
        membership = state.electorate.membership
        if membership is None:
            raise ValueError("this node does not know the members of its group")
        return next_step(change, membership, former_nodes=state.durability.hard_state.facts.former_nodes)

    def _why_not_now(self) -> str | None:
        state, leadership = self._role_state, self._role_state.leadership
        if self._under_way is not None:
            return f"another change is under way: {self._under_way.change}: repeat the command when it has ended"
        if state.electorate.membership is not None and state.electorate.membership.is_joint:
            return "another change is being completed: repeat the command in a moment"
        if self._transfer.target is not None:
            return "leadership is being handed over: repeat the command in a moment"
        if leadership is None or not self._may_append(leadership):
            return "this leader was only just elected: repeat the command in a moment"
        return None

    def _check_quorum(self, step: NextStep, leadership: Leadership) -> None:
        """Refuse a change of voters after which those that answer are no quorum. ValueError if they are none."""
        state = self._role_state
        if step.membership is None or not step.membership.is_joint:
            return
        quorum, able = state.electorate.quorum_of(step.membership), leadership.able()
        if step.learner is not None and not (self._under_way is not None and self._under_way.catch_up is not None):
            able.append(NodeId(str(step.learner.store_id)))  # whether it answers is seen while it catches up
        if not quorum.is_quorum(able):
            silent = [str(state.electorate.node_of(key) or key) for key in quorum.members if key not in able]
            raise ValueError(
                f"{', '.join(silent)} did not answer lately: with these members the group could not decide any more; "
                "nothing was changed by this step: start what is down, or remove that first"
            )

    def _learner(self, under_way: _UnderWay) -> Member | None:
        try:
            return self._next_step(under_way.change).learner
        except ValueError:
            return None  # `advance` ends the change

    def _learner_status(self, under_way: _UnderWay, learner: Member, leadership: Leadership) -> ChangeStatus:
        progress = leadership.progress_of(NodeId(str(learner.store_id)))
        match_index = 0 if progress is None else progress.match_index
        phase = ChangePhase.HELD if under_way.is_held else ChangePhase.CATCHING_UP
        left = self._role_state.log.last_index - match_index
        return ChangeStatus(under_way.change, phase, left, (learner.node,), under_way.because)

    def _end(self, under_way: _UnderWay, reason: str | None, *, is_passing: bool = False) -> None:
        """End the change; `reason` None: it is done."""
        self._under_way = None
        state, is_done = self._role_state, reason is None
        state.outbox.observe(
            CHANGE_ENDED, term=state.term, change=str(under_way.change), is_done=is_done, reason=reason or ""
        )
        state.outbox.add(ChangeEnded(under_way.ref, is_done, reason or "", is_passing, under_way.has_appended))


def _is_joint(membership: Membership | None) -> bool:
    return membership is not None and membership.is_joint
