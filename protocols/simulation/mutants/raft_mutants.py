"""Raft mutants: define bugs of Raft, most of them known from other implementations, which runs must detect."""

# ruff: noqa: SLF001 - mutants replace private methods

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from coterie.protocols.algorithm import NodeId, Token
from coterie.protocols.quorums import Majority
from coterie.protocols.raft import raft_log
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.follower import Follower
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.membership import membership
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, HardState, RequestVoteReply, Round
from coterie.protocols.raft.reads.pending_reads import PendingReads
from coterie.protocols.raft.reads.read_rounds import ReadRounds
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.raft.role import RoleState
from coterie.protocols.raft.transfer import Transfer
from coterie.protocols.replicated_log import Entry, LogIndex, ReadReady, Term
from coterie.protocols.simulation.directed import raft_schedules
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, ScenarioTrial, directed_mutant
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["RAFT_MUTANTS"]

TRIAL = ScenarioTrial(SCENARIOS["raft"])

_truncate_from = RaftLog.truncate_from


def _reply_to_vote_at_once(self: Elections, candidate: NodeId, *, is_granted: bool) -> None:
    self._outbox.send(candidate, RequestVoteReply(self._role_state.term, is_granted), None)


def _after_hard_state_only(self: Durability, index: LogIndex) -> Token | None:
    return self.after_hard_state()


def _may_commit_anything(self: Leadership, index: LogIndex) -> bool:
    return True


class _OneFewer(Majority):
    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.members) // 2)


def _every_log_is_up_to_date(self: RaftLog, last_log_index: LogIndex, last_log_term: Term) -> bool:
    return True


def _has_any_previous(self: Follower, message: AppendEntries) -> bool:
    return message.prev_log_index <= self._log.last_index


def _conflict_everywhere(self: RaftLog, entries: Sequence[Entry]) -> int:
    return 0


def _truncate_unguarded(self: RaftLog, index: LogIndex) -> None:
    committed, self.commit_index = self.commit_index, LogIndex(0)
    _truncate_from(self, index)
    self.commit_index = committed


def _disprove_nothing_under_way(self: Durability, index: LogIndex) -> None:
    self.durable_index = min(self.durable_index, LogIndex(index - 1))


_set_hard_state = Durability.set_hard_state


def _keep_term_in_memory(self: Durability, term: Term, voted_for: NodeId | None) -> None:
    if voted_for is None:
        self.hard_state = HardState(term, None, self.hard_state.facts)
    else:
        _set_hard_state(self, term, voted_for)


def _commit_to_the_end(self: Follower, leader_commit: LogIndex, last_verified: LogIndex) -> LogIndex:
    return min(leader_commit, self._log.last_index)


_start_election = Elections._start_election


def _start_election_and_count_own_vote(self: Elections) -> None:
    _start_election(self)
    self.count_vote(self._role_state.node_id)


def _count_every_vote(self: Elections, voter: NodeId) -> bool:
    self._granted_by[NodeId(f"{voter}, grant {len(self._granted_by)}")] = None
    return len(self._granted_by) > len(self._role_state.config.voters) // 2


def _verified_is_enough(self: Follower, last_verified: LogIndex) -> LogIndex:
    return last_verified


def _memory_is_a_disk(self: Follower, last_verified: LogIndex) -> LogIndex:
    self._durability.durable_index = max(self._durability.durable_index, last_verified)
    return last_verified


def _answered_again(self: Progress, round_: Round) -> None:
    self.answered_round = Round(self.answered_round + 1)


def _anything_is_plausible(self: Leadership, reply: AppendEntriesReply) -> bool:
    return True


def _is_stale_below_match_only(self: Progress, refused: LogIndex) -> bool:
    return refused <= self.match_index


def _refused_unclamped(self: Progress, next_index: LogIndex) -> None:
    self.next_index = max(LogIndex(self.match_index + 1), next_index)
    self.is_probing = True
    self._is_awaiting_probe = False


def _proves_nothing(self: Progress, refused: LogIndex, round_: Round) -> bool:
    return False


def _always_has_room(self: Durability, *, max_entries: int, max_bytes: int) -> bool:
    return True


def _same_write(self: Durability, write: object, entry: Entry) -> object:
    return write


def _begin_without_a_round(self: ReadRounds, now: float) -> None:
    self._open, self._waiting = self._waiting, {}
    self._index, self._round = self._log.commit_index, self._leadership.round


def _begins_whenever_reads_wait(self: ReadRounds) -> bool:
    return bool(self._waiting)


def _release_unapplied(self: PendingReads) -> None:
    ready = [ref for _, refs in self._held for ref in refs]
    self._held, self._count = [], self._count - len(ready)
    self._role_state.outbox.add(ReadReady(tuple(ready)))


def _read_index_of_the_log(self: PendingReads, index: LogIndex) -> None:
    _answered(self, self._applier.applied_index)


_answered = PendingReads._answered


def _never_give_up(self: Transfer, now: float) -> None:
    pass


def _no_patience_s(self: RoleState) -> float:
    return 0.0


def _has_room_for_all_it_knows(self: Leadership, peer: NodeId) -> bool:
    return True


def _mutant(name: str, *patches: Patch, first_seed: int = 0) -> Mutant:
    return Mutant(f"raft: {name}", TRIAL, patches, first_seed)


_directed = partial(directed_mutant, "raft")


RAFT_MUTANTS: tuple[Mutant, ...] = (
    _mutant("vote not durable", Patch(Elections, "_reply_to_vote", _reply_to_vote_at_once)),
    _mutant("term not durable", Patch(Durability, "set_hard_state", _keep_term_in_memory)),
    _mutant("acknowledged before durable", Patch(Durability, "after_entries", _after_hard_state_only)),
    _mutant("old-term commit by counting", Patch(Leadership, "may_commit", _may_commit_anything), first_seed=31),
    _mutant("quorum off by one", Patch(membership, "Majority", _OneFewer), first_seed=2),
    _mutant("no up-to-date check", Patch(RaftLog, "is_up_to_date", _every_log_is_up_to_date), first_seed=8),
    _mutant("no previous-term check", Patch(Follower, "has_previous", _has_any_previous), first_seed=31),
    _mutant(
        "truncation although entries match",
        Patch(RaftLog, "find_conflict", _conflict_everywhere),
        Patch(RaftLog, "truncate_from", _truncate_unguarded),
        first_seed=3,
    ),
    _mutant("commit index capped at log end", Patch(Follower, "new_commit_index", _commit_to_the_end)),
    _mutant(
        "votes counted twice",
        Patch(Elections, "count_vote", _count_every_vote),
        Patch(Elections, "_start_election", _start_election_and_count_own_vote),
        first_seed=2,
    ),
    _mutant(
        "stale durability ack accepted", Patch(Durability, "_disprove_from", _disprove_nothing_under_way), first_seed=10
    ),
    _mutant(
        "read before an own-term entry", Patch(ReadRounds, "_may_begin", _begins_whenever_reads_wait), first_seed=5
    ),
    _mutant("follower reads before it has applied", Patch(PendingReads, "_release", _release_unapplied)),
    _mutant("follower reads what it has", Patch(PendingReads, "_answered", _read_index_of_the_log)),
    _mutant("acknowledged what is only in memory", Patch(Follower, "match_index_at_once", _memory_is_a_disk)),
    _directed(
        "heartbeat waits for entries",
        raft_schedules.stalled_disks,
        Patch(Follower, "match_index_at_once", _verified_is_enough),
    ),
    _directed("reply of another round", raft_schedules.late_answers, Patch(Progress, "answered", _answered_again)),
    _directed(
        "refusals not clamped",
        raft_schedules.impossible_refusal,
        Patch(Leadership, "is_plausible", _anything_is_plausible),
        Patch(Progress, "is_stale_refusal", _is_stale_below_match_only),  # the second check of the same property
        Patch(Progress, "refused", _refused_unclamped),  # the third
    ),
    _directed(
        "read confirmed by an append from before it",
        raft_schedules.deposed_leader_reads,
        Patch(ReadRounds, "_begin", _begin_without_a_round),
    ),
    _directed("transfer flag left set", raft_schedules.abandoned_transfer, Patch(Transfer, "tick", _never_give_up)),
    _directed("lost entries counted", raft_schedules.lost_entries, Patch(Progress, "proves_loss", _proves_nothing)),
    _directed(
        "memory unbounded while the own disk stalls",
        raft_schedules.stalled_leader,
        Patch(Durability, "has_room", _always_has_room),
    ),
    _directed("one write for any burst", raft_schedules.large_burst, Patch(Durability, "_begin_after", _same_write)),
    _directed(
        "a node that cannot write campaigns",
        raft_schedules.full_voter_and_a_lost_leader,
        Patch(RoleState, "_patience_s", _no_patience_s),
    ),
    _directed(
        "leadership handed to a full voter",
        raft_schedules.full_leader,
        Patch(Leadership, "has_room", _has_room_for_all_it_knows),
    ),
    _directed("one hint in a refusal", raft_schedules.alternating_tails, Patch(raft_log, "HINTS_MAX", 1)),
)
"""The first fifteen are killed under the profile `everything`, the others by directed schedules."""
