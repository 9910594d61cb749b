"""Snapshot mutants: define bugs in how Raft compacts its log, and in how it sends and installs snapshots."""

from __future__ import annotations

from dataclasses import replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.applier import Applier
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.snapshots.snapshot_fetch import SnapshotFetch
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk
from coterie.protocols.replicated_log import LogIndex, LogPosition
from coterie.protocols.simulation.directed import snapshot_trials
from coterie.protocols.simulation.mutants.mutation_testing import DirectedTrial, Mutant, Patch

__all__ = ["SNAPSHOT_MUTANTS"]


def _acknowledge_one_more(self: SnapshotFetch, snapshot: SnapshotId) -> LogIndex:
    return LogIndex(snapshot.position.index + 1)


def _is_next_of_any(self: SnapshotFetch, snapshot: SnapshotId, sender: NodeId, chunk: Chunk) -> bool:
    return self._under_way is not None and chunk.offset == self._under_way.size_bytes


def _restore_nothing(self: Applier, snapshot: SnapshotId) -> None:
    self._handed_index = self.applied_index = snapshot.position.index


def _keep_own_facts(self: GroupFacts, past: GroupFacts, snapshot: SnapshotId, *, keeps_later: bool) -> GroupFacts:
    return replace(self, base=snapshot.position, snapshot=snapshot)


def _forget_snapshot(self: GroupFacts, snapshot: SnapshotId, base: LogPosition) -> GroupFacts:
    return replace(self, base=base)


def _agree_if_long_enough(self: RaftLog, position: LogPosition) -> bool:
    return position.index <= self.last_index


def _directed(name: str) -> DirectedTrial:
    schedule = getattr(snapshot_trials, name)
    return DirectedTrial(name.replace("_", " "), Level.PROTOCOL, lambda seed: schedule())


SNAPSHOT_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "snapshot: acknowledged at the wrong index",
        _directed("acknowledged_snapshot"),
        (Patch(SnapshotFetch, "acknowledged_index", _acknowledge_one_more),),
    ),
    Mutant(
        "snapshot: chunks of two snapshots mixed",
        _directed("mixed_chunks"),
        (Patch(SnapshotFetch, "is_next", _is_next_of_any),),
    ),
    Mutant(
        "snapshot: installed without its state",
        _directed("left_behind"),
        (Patch(Applier, "restore", _restore_nothing),),
    ),
    Mutant(
        "snapshot: installed without its members and schemas",
        _directed("members_in_snapshot"),
        (Patch(GroupFacts, "installed", _keep_own_facts),),
    ),
    Mutant(
        "snapshot: log dropped before the register names it",
        _directed("interrupted_compaction"),
        (Patch(GroupFacts, "with_snapshot", _forget_snapshot),),
    ),
    Mutant(
        "snapshot: a log that does not agree is kept",
        _directed("conflicting_log"),
        (Patch(RaftLog, "agrees_with", _agree_if_long_enough),),
    ),
)
