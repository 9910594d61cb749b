"""`SnapshotTaking`: decides when a replica takes a snapshot, writes it in slices, and reports it once it is confirmed.

    applied ─▶ due? ─▶ Replica.snapshot (frozen at once) ─▶ written in slices ─▶ durable
        ─▶ confirmed, and checked (`snapshot_check.py`) ─▶ SnapshotTaken

The code of the machine that all this runs must not change it (`machine_guard.py`).

A snapshot is confirmed by a checkpoint in the log: a quorum has answered as this replica did, up to the last entry that
changed the state in it, or beyond. Before that nothing is dropped, and nothing is sent: a replica that has gone its own
way keeps that to itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.actors.groups.compaction.class_state import ClassState
from coterie.actors.groups.compaction.group_snapshots import SnapshotFiles, snapshot_name
from coterie.actors.groups.compaction.machine_guard import (
    MachineChanged,
    MachineGuard,
    SnapshotUnusable,
    first_difference_from,
    frozen_state,
)
from coterie.actors.groups.compaction.snapshot_check import TRIED_BYTES_MAX, SnapshotCheck, Trial
from coterie.actors.groups.compaction.snapshot_content import Manifest, encode_frame, encode_head, encode_tail
from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy
from coterie.actors.groups.compaction.snapshot_room import SnapshotRoom
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.errors import CoterieError, SnapshotFailed
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import SnapshotTaken
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition
from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.snapshots.snapshot_store import NoRoomForSnapshot, SnapshotWriter

__all__ = ["SnapshotTaking"]

SLICE_S: Final = 0.002
"""For so long the loop is held to encode a part of a snapshot …"""

SLICE_SHARE: Final = 0.25
"""… or for this share of the time for which it had other things to do since the last part: else, the busier it is, the
longer a snapshot would take, and the more log would be kept meanwhile …"""

SLICE_MAX_S: Final = 0.004
"""… but for so long at most, and the last piece of it: no handler is held for more than 5 ms."""

SLICE_BYTES: Final = 1024 * 1024
"""So many bytes are written at once, or as many times more as the part takes longer than `SLICE_S`. Lower: a snapshot
waits for the log's writes more often. Higher: they wait."""

MARK_ENTRIES: Final = 256
"""How exactly it is known how many bytes of the log follow an entry: to so many entries …"""

MARKS: Final = 16
"""… and to such a part of the bytes that may stay behind a snapshot."""

DISK_RETRY_S: Final = 10.0
"""After so long a snapshot that the disk has failed is tried again, then after twice as long each time, up to …"""

DISK_RETRY_MAX_S: Final = 600.0

ROOM_RETRY_S: Final = 1.0
"""A snapshot that found no room is tried again once there is room, but not sooner."""

FETCHED_MEANWHILE: Final = 4
"""While a follower fetches a snapshot, the next one may wait until so many times as much is due."""


class SnapshotTaking:
    """The snapshots that one life of a replica takes: at most one at a time.

    Args:
        group: its name.
        store: where they are kept.
        raft: the node of this replica.
        replica: whose state they hold.
        files: runs what is under way.
        context: of the actor.
        policy: when one is due.
        taken: called with a snapshot that is durable and confirmed.
        quarantine: called with the reason why the machine cannot be used any more.
    """

    def __init__(
        self,
        group: str,
        store: LogStore,
        raft: Raft,
        replica: Replica,
        files: SnapshotFiles,
        context: Context,
        policy: SnapshotPolicy,
        *,
        taken: Callable[[SnapshotTaken], None],
        quarantine: Callable[[str], None],
    ) -> None:
        self._group = group
        self._store = store
        self._raft = raft
        self._replica = replica
        self._files = files
        self._context = context
        self._policy = policy
        self._taken = taken
        self._quarantine = quarantine
        self._last: tuple[LogPosition, int] | None = None  # of the entry that was applied last: position and stamp
        self._entries = 0
        self._bytes = 0
        self._marks: deque[tuple[LogIndex, int]] = deque()
        self._total_bytes = 0
        self._meanwhile_bytes = 0  # applied while the last one was taken
        self._is_writing = False
        self.trouble: str | None = None
        """Why the last snapshot could not be taken; None: it could."""
        self._failures = self._disk_failures = 0  # since the last success: of the machine, and of the disk
        self._retry_at_s = 0.0
        self._room = SnapshotRoom(group, "its own", store, context)
        self._has_given_way = False
        self._damaged: SnapshotId | None = None  # another one must take its place
        self._class_state = ClassState(replica.state_machine)
        self._check = SnapshotCheck(group, store, context.clock.monotonic)
        self._waiting: tuple[SnapshotId, LogIndex] | None = None  # with the last entry that changed the state in it
        self._demanded_index = LogIndex(0)
        self._demand_failure: str | None = None
        self._writer: SnapshotWriter | None = None
        self._changed: str | None = None
        """How a snapshot has changed the machine: this life takes no other one, which might agree with that."""
        self._has_told_empty = self._has_told_unseen = False

    def demand(self, index: LogIndex) -> str | None:
        """Let the next `advance` take a snapshot of the entries up to `index`, which are applied, if there is none yet.

        Return None; or, once, why the one that was demanded last could not be taken.
        """
        failure, self._demand_failure = self._changed or self._demand_failure, None
        if failure is None:
            self._demanded_index = max(self._demanded_index, index)
        return failure

    @property
    def room_trouble(self) -> str | None:
        """What an operator is told if the last snapshot found no room."""
        return self._room.trouble

    @property
    def written_bytes(self) -> int:
        """How much has been written of the snapshot that is being taken; 0: none is, or it waits to be confirmed."""
        return 0 if self._writer is None else self._writer.size_bytes

    @property
    def unconfirmed_index(self) -> LogIndex:
        """The last entry that changed the state in a durable snapshot which is not confirmed yet; 0: there is none."""
        return LogIndex(0) if self._waiting is None else self._waiting[1]

    def applied(self, entries: Sequence[Entry]) -> None:
        """Note that the replica has applied these entries."""
        last = entries[-1]
        self._last = (LogPosition(last.index, last.term), last.stamp_ms)
        size_bytes = sum([len(entry.command) for entry in entries])
        self._entries += len(entries)
        self._bytes += size_bytes
        self._total_bytes += size_bytes
        trailing_bytes = self._policy.trailing_bytes
        index, marked_bytes = self._marks[-1] if self._marks else (LogIndex(-MARK_ENTRIES), 0)
        if last.index - index >= MARK_ENTRIES or (self._total_bytes - marked_bytes) * MARKS >= trailing_bytes:
            self._marks.append((last.index, self._total_bytes))
            while self._marks[0][1] < self._total_bytes - trailing_bytes:
                self._marks.popleft()

    def restored(self, snapshot: SnapshotId) -> None:
        """Note that the replica has begun from a snapshot: nothing has been applied since, and its machine is new."""
        if self._changed is not None:
            self._changed = self.trouble = None
        self._has_given_way = False
        self._room.found()
        self._last, self._waiting = (snapshot.position, snapshot.stamp_ms), None
        self._entries = self._bytes = 0
        self._marks.clear()

    def give_way(self) -> None:
        """Remove a snapshot that waits to be confirmed: the leader's is newer, and this disk has no room for both."""
        if self._waiting is not None and not self._is_writing and self._store.is_short_of_space:
            self._has_given_way = True
            self._files.begin(self._give_up(None))

    def renew(self, damaged: SnapshotId) -> None:
        """Take another snapshot as soon as possible: the file of this one, which the register names, is damaged."""
        if self._damaged != damaged:
            self._damaged = damaged
            self._context.wake()

    def advance(self) -> None:
        """Report a snapshot that is confirmed, or begin one that is due. Call it between two entries."""
        if self._replica.is_restoring:
            return  # it has no state until that is done
        if self._waiting is not None:
            if not self._is_writing:  # it is checked, too
                self._report_if_confirmed(*self._waiting)
        elif not self._is_writing and self._changed is None and (self._is_due() or self._is_demanded()):
            self._begin()

    def _report_if_confirmed(self, snapshot: SnapshotId, changed_index: LogIndex) -> None:
        index = snapshot.position.index
        present = self._raft.facts.snapshot
        if present is not None and (present.position.index > index or present == snapshot):
            self._waiting = None  # the leader's came, and it is newer; or the file of the present one is whole again
        elif self._replica.confirmed_index >= changed_index and self._raft.applied_index >= index:
            self._waiting, self._meanwhile_bytes = None, self._bytes
            self._taken(SnapshotTaken(snapshot, self._base_index(index)))

    def _base_index(self, index: LogIndex) -> LogIndex:
        """Return the entry after which the log is kept, before the snapshot at `index`."""
        if self._store.is_short_of_space:
            return index
        oldest = self._marks[0][0] if self._marks else index
        return LogIndex(max(0, min(index, max(oldest, index - self._policy.trailing_entries))))

    def _is_due(self) -> bool:
        # While it is taken about as much will be applied as during the last one. That is log on the disk, too.
        size_bytes = self._bytes + min(self._bytes, self._meanwhile_bytes)
        is_short = self._store.is_short_of_space
        is_wanted = self._damaged is not None or self._has_given_way
        if not is_wanted and not self._policy.is_due(self._entries, size_bytes, 0, is_short=is_short):
            return False  # as mostly
        snapshot = self._raft.facts.snapshot
        factor = (FETCHED_MEANWHILE if self._files.is_in_use else 1) << min(self._failures, 10)
        last_bytes = 0 if snapshot is None else snapshot.size_bytes
        is_damaged = snapshot is not None and snapshot == self._damaged
        return (
            self._last is not None
            and self._replica.apart_at is None
            and self._context.clock.monotonic() >= self._retry_at_s
            and self._room.is_there
            and not self._files.room.is_awaited
            and (
                is_damaged
                or self._has_given_way
                or self._policy.is_due(self._entries // factor, size_bytes // factor, last_bytes, is_short=is_short)
            )
        )

    def _is_demanded(self) -> bool:
        snapshot = self._raft.facts.snapshot
        return (
            self._last is not None
            and self._last[0].index >= self._demanded_index > (0 if snapshot is None else snapshot.position.index)
            and self._replica.apart_at is None
        )

    def _begin(self) -> None:
        if self._last is None:
            return
        position, stamp_ms = self._last
        facts = self._raft.facts.as_of(position)
        if facts is None:
            return  # the members have changed twice since: soon
        self._is_writing = True
        entries, size_bytes, self._entries, self._bytes = self._entries, self._bytes, 0, 0
        try:
            pieces, trial = self._pieces()
        except SnapshotFailed as error:
            self._failed(error, entries, size_bytes)
            return
        self._tell_of_unseen(trial)
        frames, changed_index = _Frames(Manifest(self._group, facts), pieces), self._replica.changed_index
        self._files.begin(self._write(_Begun(position, stamp_ms, changed_index, frames, trial, entries, size_bytes)))

    def _pieces(self) -> tuple[Iterator[tuple[int, bytes]], Trial]:
        """Begin a snapshot of the replica, and make what it is tried with.

        Raises:
            SnapshotFailed: the machine cannot be saved, or not be made anew, or its class has changed.
                `MachineChanged`: it is another one now.
        """
        self._class_state.check()
        machine, last = self._replica.state_machine, self._raft.facts.snapshot
        is_small = last is None or last.size_bytes <= 2 * TRIED_BYTES_MAX
        state = frozen_state(machine) if is_small and machine is not None else None
        with MachineGuard(machine, self._context).running("snapshot"):
            pieces, twin = self._replica.snapshot(), self._replica.twin_machine()
        return pieces, Trial(twin, state, MachineGuard(machine, self._context, is_checking=is_small))

    async def _write(self, begun: _Begun) -> None:
        writer = None
        try:
            writer = self._writer = await self._store.snapshots.create(self._group)
            await self._drain(begun, writer)
            snapshot = SnapshotId(begun.position, begun.stamp_ms, writer.size_bytes, await writer.digest())
            await writer.finish(snapshot_name(snapshot))
            self._tell_if_empty(begun)
            self._finished(snapshot, begun.changed_index)
            await self._check.run(snapshot, begun.trial, begun.frames.machine_bytes)
        except CoterieError as error:
            if isinstance(error, NoRoomForSnapshot):
                last = self._raft.facts.snapshot
                written = 0 if writer is None else writer.size_bytes
                self._room.none_for(max(written, 0 if last is None else last.size_bytes), error)
            await self._give_up(writer)
            self._failed(error, begun.entries, begun.size_bytes)
            return
        except BaseException as error:
            if isinstance(error, MemoryError):
                self._context.system.fail(error)
            raise
        self.trouble = None
        self._room.found()
        self._has_given_way = False
        self._is_writing, self._failures, self._disk_failures, self._damaged = False, 0, 0, None
        self._context.wake()

    def _tell_if_empty(self, begun: _Begun) -> None:
        """Warn, once, if the machine has yielded nothing, but is not as new, or holds what cannot be seen.

        The machine is looked at now: so only if nothing was applied since the snapshot began.
        """
        machine, twin = self._replica.state_machine, begun.trial.twin
        if self._has_told_empty or begun.frames.machine_bytes or not begun.changed_index or twin is None:
            return
        if self._replica.changed_index != begun.changed_index:
            return
        state = frozen_state(machine, with_transient=True)
        if state is not None and not state.has_opaque and first_difference_from(state, twin.machine) is None:
            return
        self._has_told_empty = True
        self._context.log.warning("group.snapshot_empty", group=self._group, machine=type(machine).__name__)

    def _tell_of_unseen(self, trial: Trial) -> None:
        """Warn, once, of attributes that no trial can compare."""
        if trial.state is None or not trial.state.unseen or self._has_told_unseen:
            return
        self._has_told_unseen = True
        machine = type(trial.state.machine).__name__
        attributes = ", ".join(f"{name} ({kind})" for name, kind in trial.state.unseen.items())
        self._context.log.warning("group.state_unseen", group=self._group, machine=machine, attributes=attributes)

    def _finished(self, snapshot: SnapshotId, changed_index: LogIndex) -> None:
        """Let it be confirmed while it is checked."""
        self._files.replaced(snapshot)
        self._waiting, self._writer = (snapshot, changed_index), None
        self._context.wake()

    async def _give_up(self, writer: SnapshotWriter | None) -> None:
        """Remove what was written, unless the register names it."""
        if writer is not None:
            await writer.abandon()
        if self._waiting is not None:
            (snapshot, _), self._waiting = self._waiting, None
            if snapshot != self._raft.facts.snapshot:
                await self._files.remove(snapshot)

    async def _drain(self, begun: _Begun, writer: SnapshotWriter) -> None:
        clock, frames, away_s = self._context.clock.monotonic, iter(begun.frames), 0.0
        while True:
            with begun.trial.guard.running("snapshot"):
                encoded = _slice_of(frames, _Room(clock(), away_s), clock)
            if not encoded:
                return
            now_s = clock()
            await writer.append(encoded)
            away_s = clock() - now_s

    def _failed(self, error: Exception, entries: int, size_bytes: int) -> None:
        """Tell it, and try again: once twice as much is due if the machine has failed, or after a while if the disk."""
        self._is_writing, self._writer = False, None
        is_unusable = isinstance(error, SnapshotUnusable)
        what = "its snapshot cannot be used, so the log is kept" if is_unusable else "no snapshot can be taken"
        self.trouble = f"{what}: {error}"
        if isinstance(error, MachineChanged):
            self._changed = str(error)
            if error.is_loss:
                self._quarantine(str(error))
                self._context.wake()
        if self._demanded_index:
            self._demanded_index, self._demand_failure = LogIndex(0), str(error)
        if isinstance(error, NoRoomForSnapshot):
            self._retry_at_s = self._context.clock.monotonic() + ROOM_RETRY_S
        elif isinstance(error, SnapshotFailed) and self._damaged is None:
            self._failures += 1
        else:
            delay_s = min(DISK_RETRY_S * 2**self._disk_failures, DISK_RETRY_MAX_S)
            self._disk_failures = min(self._disk_failures + 1, 10)
            self._retry_at_s = self._context.clock.monotonic() + delay_s
        self._entries += entries
        self._bytes += size_bytes
        log, text, cause = self._context.log, str(error), error.__cause__
        if isinstance(error, NoRoomForSnapshot):
            pass  # it is told by `SnapshotRoom`, once
        elif is_unusable:
            log.error("group.snapshot_unusable", group=self._group, error=text, exc_info=cause)
        else:
            log.warning("group.snapshot_failed", group=self._group, error=text, exc_info=cause)


class _Room:
    """How much of a snapshot is encoded at once from now on (`now_s`), after the loop did other things for `away_s`."""

    def __init__(self, now_s: float, away_s: float) -> None:
        slice_s = min(max(SLICE_S, SLICE_SHARE * away_s), SLICE_MAX_S)
        self.until_s = now_s + slice_s
        self.size_bytes = int(SLICE_BYTES * slice_s / SLICE_S)


def _slice_of(frames: Iterator[bytes], room: _Room, clock: Callable[[], float]) -> bytes:
    """Encode the next frames, as many as there is room for; nothing: there are no more."""
    taken, size_bytes = [], 0
    for frame in frames:
        taken.append(frame)
        size_bytes += len(frame)
        if size_bytes >= room.size_bytes or clock() >= room.until_s:
            break
    return b"".join(taken)


class _Frames:
    """The frames of a snapshot. `machine_bytes`: how much of what was taken the user's machine has yielded."""

    def __init__(self, manifest: Manifest, pieces: Iterator[tuple[int, bytes]]) -> None:
        self._manifest = manifest
        self._pieces = pieces
        self.machine_bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        yield encode_head(self._manifest)
        frames, has_begun = 1, False
        for section, piece in self._pieces:
            if section == Section.MACHINE:
                self.machine_bytes += len(piece) if has_begun else 0
                has_begun = True  # the first piece is not the user's
            yield encode_frame(section, piece)
            frames += 1
        yield encode_tail(frames)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A snapshot that is being taken, after `entries` entries with commands of `size_bytes` since the last one."""

    position: LogPosition
    stamp_ms: int
    changed_index: LogIndex
    frames: _Frames
    trial: Trial
    entries: int
    size_bytes: int
