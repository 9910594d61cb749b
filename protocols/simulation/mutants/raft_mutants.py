"""Mutants of Raft: eleven of the bugs that others had, each to be noticed under whatever a seed brings."""

# ruff: noqa: SLF001 - a mutant is surgery on private methods

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId, Token
from coterie.protocols.quorums import Majority
from coterie.protocols.raft.durability import Journal
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.follower import LogFollower
from coterie.protocols.raft.leader import Leadership
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, HardState, RequestVoteReply
from coterie.protocols.raft.role import Standing
from coterie.protocols.replicated_log import Entry, LogIndex, Term
from coterie.protocols.simulation.mutants.mutant_hunt import Explored, Mutant, Patch
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS

__all__ = ["RAFT_MUTANTS"]

TRIAL = Explored(SCENARIOS["raft"])

_truncate_from = RaftLog.truncate_from


def _answer_vote_at_once(self: Elections, candidate: NodeId, *, is_granted: bool) -> None:
    self._outbox.send(candidate, RequestVoteReply(self._standing.term, is_granted), None)


def _after_register_only(self: Journal, index: LogIndex) -> Token | None:
    return self.after_register()


def _may_commit_anything(self: Leadership, index: LogIndex) -> bool:
    return True


def _one_fewer(self: Majority) -> None:
    object.__setattr__(self, "size", len(self.members) // 2)


def _everybody_is_up_to_date(self: RaftLog, last_log_index: LogIndex, last_log_term: Term) -> bool:
    return True


def _accept_without_term_check(self: LogFollower, message: AppendEntries, term: Term) -> AppendEntriesReply:
    if message.prev_log_index > self._log.last_index:
        return self.refusal(message, term)
    self._append_missing(message.entries)
    last_verified = LogIndex(message.prev_log_index + len(message.entries))
    self._log.commit_to(self.new_commit_index(message.leader_commit, last_verified))
    return AppendEntriesReply(term, True, last_verified, LogIndex(0), Term(0))


def _conflict_everywhere(self: RaftLog, entries: Sequence[Entry]) -> int:
    return 0


def _truncate_unguarded(self: RaftLog, index: LogIndex) -> None:
    committed, self.commit_index = self.commit_index, LogIndex(0)
    _truncate_from(self, index)
    self.commit_index = committed


def _disprove_nothing_under_way(self: Journal, index: LogIndex) -> None:
    self.durable_index = min(self.durable_index, LogIndex(index - 1))


_set_register = Journal.set_register


def _keep_term_in_memory(self: Journal, term: Term, voted_for: NodeId | None) -> None:
    if voted_for is None:
        self.register = HardState(term, None)
    else:
        _set_register(self, term, voted_for)


def _commit_to_the_end(self: LogFollower, leader_commit: LogIndex, last_verified: LogIndex) -> LogIndex:
    return min(leader_commit, self._log.last_index)


_stand = Elections._stand


def _stand_and_count_oneself(self: Elections) -> None:
    _stand(self)
    self._standing.count_vote(self._standing.node_id)


def _count_every_vote(self: Standing, voter: NodeId) -> bool:
    self._granted_by[NodeId(f"{voter}, grant {len(self._granted_by)}")] = None
    return len(self._granted_by) > len(self.config.voters) // 2


def _mutant(name: str, *patches: Patch, first_seed: int = 0) -> Mutant:
    return Mutant(f"raft: {name}", TRIAL, patches, first_seed)


RAFT_MUTANTS: tuple[Mutant, ...] = (
    _mutant("vote not durable", Patch(Elections, "_answer_vote", _answer_vote_at_once)),
    _mutant("term not durable", Patch(Journal, "set_register", _keep_term_in_memory)),
    _mutant("acknowledged before durable", Patch(Journal, "after_entries", _after_register_only)),
    _mutant("old-term commit by counting", Patch(Leadership, "may_commit", _may_commit_anything), first_seed=28),
    _mutant("quorum off by one", Patch(Majority, "__post_init__", _one_fewer)),
    _mutant("no up-to-date check", Patch(RaftLog, "is_up_to_date", _everybody_is_up_to_date), first_seed=2),
    _mutant("no previous-term check", Patch(LogFollower, "accept", _accept_without_term_check), first_seed=22),
    _mutant(
        "truncation although entries match",
        Patch(RaftLog, "find_conflict", _conflict_everywhere),
        Patch(RaftLog, "truncate_from", _truncate_unguarded),
        first_seed=2,
    ),
    _mutant("commit index capped at log end", Patch(LogFollower, "new_commit_index", _commit_to_the_end)),
    _mutant(
        "votes counted twice",
        Patch(Standing, "count_vote", _count_every_vote),
        Patch(Elections, "_stand", _stand_and_count_oneself),
    ),
    _mutant(
        "stale durability ack accepted", Patch(Journal, "_disprove_from", _disprove_nothing_under_way), first_seed=4
    ),
)
"""Each dies under the profile `everything`."""
