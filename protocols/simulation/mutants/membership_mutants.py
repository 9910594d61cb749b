"""Membership mutants: define bugs in how Raft remembers its members, and in how it treats the base of its log."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.replicated_log import Entry, LogIndex
from coterie.protocols.simulation.directed.log_trials import behind_the_base, beyond_the_base, dropped_members
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch

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
)
