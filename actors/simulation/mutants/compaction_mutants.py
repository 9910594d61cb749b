"""Compaction mutants: define bugs in how replicas take snapshots, confirm them, send them and begin from them."""

# ruff: noqa: SLF001 - a mutant replaces private methods

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from coterie.actors.groups.compaction import machine_guard, snapshot_check
from coterie.actors.groups.compaction.group_snapshots import SnapshotFiles, snapshot_name
from coterie.actors.groups.compaction.snapshot_check import SnapshotCheck
from coterie.actors.groups.compaction.snapshot_taking import SnapshotTaking
from coterie.actors.groups.replicas import replica as replicas
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.replicas.replica_snapshot import ReplicaFacts, Section, encode_head
from coterie.actors.groups.snapshots.frozen_state import FrozenState
from coterie.actors.simulation.scenarios.compaction.careless_machines import (
    attribute_filled_late,
    attribute_left_out,
    machine_emptied,
)
from coterie.actors.simulation.scenarios.compaction.restored_session_trials import restored_evictions, restored_retry
from coterie.actors.simulation.scenarios.compaction.snapshot_runs import (
    apart_leader_compacts,
    crash_after_compaction,
    damaged_at_the_sender,
    restarts_under_load,
)
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    ChunkStored,
    SnapshotStored,
    SnapshotTaken,
    StoreChunk,
)
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition
from coterie.protocols.sessions import Deduplication
from coterie.protocols.sessions.kept_sessions import FrozenSession, KeptSessions
from coterie.protocols.sessions.session_snapshot import snapshot_pieces
from coterie.protocols.simulation.mutants import DirectedTrial, Mutant, Patch
from coterie.runtime.storage.snapshots.snapshot_files import PartialSnapshot, snapshot_path
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotWriter

__all__ = ["COMPACTION_MUTANTS"]


# Log dropped before the snapshot is durable: its file has its name, but nothing was synced.


def _finish_unsynced(self: PartialSnapshot, name: str) -> None:
    self._file.close()
    self._spared.rename(self.path, snapshot_path(self._directory, self.digits, name))
    self._end, self._is_complete = "it is complete", True
    self._spared.refill()


# Unverified state sent: a snapshot counts as confirmed at once.


def _report_at_once(self: SnapshotTaking, snapshot: SnapshotId, changed_index: LogIndex) -> None:
    del changed_index
    self._waiting = None
    self._taken(SnapshotTaken(snapshot, self._base_index(snapshot.position.index)))


# Sessions left out, or out of order.


def _pieces_of_no_session(self: Deduplication) -> Iterator[bytes]:
    del self
    return snapshot_pieces(KeptSessions())


_freeze = KeptSessions.freeze


def _freeze_as_opened(self: KeptSessions) -> list[FrozenSession]:
    opened = list(self.by_id)
    return sorted(_freeze(self), key=lambda one: opened.index(one.number))


# Received snapshot not compared: whatever has arrived is installed. Chunks of two snapshots in one file are found thus,
# too; how they come there is a matter of the protocol, which has a mutant for it.


async def _append_uncompared(self: SnapshotFiles, effect: StoreChunk) -> ChunkStored | SnapshotStored:
    if effect.offset == 0:
        self._arriving = await self._store.snapshots.create(self._group)
    writer, snapshot = self._arriving, effect.snapshot
    if writer is None:
        return SnapshotStored(snapshot, None)
    await writer.append(effect.data)
    if writer.size_bytes < snapshot.size_bytes:
        return ChunkStored(snapshot.digest, writer.size_bytes)
    self._arriving = None
    await writer.finish(snapshot_name(snapshot))
    return SnapshotStored(snapshot, await self._facts_of(snapshot))


# Restored replica applies from the wrong index: its snapshot is labelled with an entry before the last one, or the
# machine is saved later than the rest.


_applied = SnapshotTaking.applied


def _applied_one_less(self: SnapshotTaking, entries: Sequence[Entry]) -> None:
    before = self._last
    _applied(self, entries)
    if len(entries) > 1:
        self._last = (LogPosition(entries[-2].index, entries[-2].term), entries[-2].stamp_ms)
    elif before is not None:
        self._last = before


_drain = SnapshotTaking._drain


async def _drain_later(self: SnapshotTaking, begun: Any, writer: SnapshotWriter) -> None:
    await asyncio.sleep(0.1)
    await _drain(self, begun, writer)


def _saved_later(self: Replica) -> Iterator[tuple[Section, bytes]]:
    head = encode_head(ReplicaFacts(self.changed_index, self.apart_at, self._digests, self._deduplication.incarnation))

    def machine() -> Iterator[bytes]:
        yield from self._machine.snapshot()

    return replicas._sections(head, self._deduplication.snapshot(), machine())


# A snapshot trusted that loses something: the restored state is not compared, or only once; or the machine that is in
# use is not looked at.


async def _not_compared(self: SnapshotCheck, state: FrozenState, restored: object) -> None:
    del self, state, restored


def _is_as_large(self: snapshot_check._Tried, size_bytes: int, filled: set[tuple[type, str]]) -> bool:
    del filled
    return self.size_bytes is not None and self.size_bytes <= 2 * size_bytes and size_bytes <= 2 * self.size_bytes


def _not_looked_at(name: str, before: FrozenState | None, cause: Exception | None) -> None:
    del name, before, cause


COMPACTION_MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "snapshots: log dropped before the snapshot is durable",
        DirectedTrial("crash after compaction", Level.SYSTEM, crash_after_compaction),
        (Patch(PartialSnapshot, "finish", _finish_unsynced),),
    ),
    Mutant(
        "snapshots: unverified state sent",
        DirectedTrial("apart leader compacts", Level.SYSTEM, apart_leader_compacts),
        (Patch(SnapshotTaking, "_report_if_confirmed", _report_at_once),),
    ),
    Mutant(
        "snapshots: sessions left out",
        DirectedTrial("restored retry", Level.SYSTEM, restored_retry),
        (Patch(Deduplication, "snapshot", _pieces_of_no_session),),
    ),
    Mutant(
        "snapshots: order of sessions lost",
        DirectedTrial("restored evictions", Level.SYSTEM, restored_evictions),
        (Patch(KeptSessions, "freeze", _freeze_as_opened),),
    ),
    Mutant(
        "snapshots: a received one is not compared",
        DirectedTrial("damaged at the sender", Level.SYSTEM, damaged_at_the_sender),
        (Patch(SnapshotFiles, "_append", _append_uncompared),),
    ),
    Mutant(
        "snapshots: labelled with the entry before",
        DirectedTrial("restarts under load", Level.SYSTEM, restarts_under_load),
        (Patch(SnapshotTaking, "applied", _applied_one_less),),
    ),
    Mutant(
        "snapshots: the machine is saved later than its index",
        DirectedTrial("restarts under load", Level.SYSTEM, restarts_under_load),
        (
            Patch(Replica, "snapshot", _saved_later),
            Patch(SnapshotTaking, "_drain", _drain_later),  # commands come meanwhile
            Patch(SnapshotCheck, "_compare", _not_compared),  # which would find it before the snapshot is used
        ),
    ),
    Mutant(
        "snapshots: the restored state is not compared",
        DirectedTrial("attribute left out", Level.SYSTEM, attribute_left_out),
        (Patch(SnapshotCheck, "_compare", _not_compared),),
    ),
    Mutant(
        "snapshots: not tried again once an attribute has a value",
        DirectedTrial("attribute filled late", Level.SYSTEM, attribute_filled_late),
        (Patch(snapshot_check._Tried, "is_like", _is_as_large),),
    ),
    Mutant(
        "snapshots: a machine that its snapshot has emptied goes on",
        DirectedTrial("machine emptied", Level.SYSTEM, machine_emptied),
        (Patch(machine_guard, "_check_unchanged", _not_looked_at),),
    ),
)
"""All are killed by directed trials."""
