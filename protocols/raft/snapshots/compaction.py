"""`Compaction`: lets a snapshot take the place of the entries that it covers: an own one, or the leader's (§7)."""

from __future__ import annotations

from coterie.errors import InvariantViolated
from coterie.protocols.raft.applier import Applier
from coterie.protocols.raft.raft_observations import LOG_COMPACTED, SNAPSHOT_DAMAGED, SNAPSHOT_INSTALLED
from coterie.protocols.raft.role import RoleState
from coterie.protocols.raft.snapshots.snapshot_fetch import SnapshotFetch
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import SnapshotStored, SnapshotTaken
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term

__all__ = ["Compaction"]


class Compaction:
    """Drops entries that a durable snapshot covers, and notes the snapshot in the register, in one write.

    Args:
        role_state: of this node.
        applier: how far its state machine is.
        fetch: what is fetched from the leader.
    """

    __slots__ = ("_applier", "_fetch", "_role_state")

    def __init__(self, role_state: RoleState, applier: Applier, fetch: SnapshotFetch) -> None:
        self._role_state = role_state
        self._applier = applier
        self._fetch = fetch

    def taken(self, event: SnapshotTaken) -> None:
        """Drop the entries before the trailing ones; a snapshot that is older than the present one changes nothing.

        One at the same position takes the place of the present one, whose file may be damaged.

        Raises:
            InvariantViolated: the snapshot is not of what this node has applied.
        """
        state, position = self._role_state, event.snapshot.position
        present = state.durability.hard_state.facts.snapshot
        if present is not None and (position.index < present.position.index or event.snapshot == present):
            return
        if position.index > self._applier.applied_index or state.log.term_at(position.index) != position.term:
            raise InvariantViolated(
                f"a snapshot at {position}, but only entry {self._applier.applied_index} is applied"
            )
        base_index = LogIndex(max(state.log.base.index, min(event.base_index, position.index)))
        self._compact(event.snapshot, LogPosition(base_index, state.log.term_at(base_index) or Term(0)))
        if state.leadership is not None:
            state.leadership.log_compacted()

    def stored(self, event: SnapshotStored) -> None:
        """Install the snapshot that was fetched, unless the log has reached it meanwhile."""
        state, snapshot = self._role_state, event.snapshot
        fetched_from = self._fetch.take(event)
        if fetched_from is None:
            return
        leader, term, round_ = fetched_from
        if event.facts is None and not event.is_damaged:
            return  # the driver has said why
        if event.facts is None:
            state.outbox.observe(SNAPSHOT_DAMAGED, term=state.term, leader=leader, index=snapshot.position.index)
            return
        if snapshot.position.index > state.log.commit_index:
            self._install(event, leader)
        self._fetch.acknowledge(leader, term, round_, snapshot)

    def _compact(self, snapshot: SnapshotId, base: LogPosition) -> None:
        state = self._role_state
        dropped = base.index - state.log.base.index
        facts = state.durability.hard_state.facts.with_snapshot(snapshot, base)
        state.durability.compact(facts, LogIndex(base.index + 1))
        state.log.compact(base)
        state.outbox.observe(
            LOG_COMPACTED,
            term=state.term,
            index=snapshot.position.index,
            base_index=base.index,
            dropped_entries=dropped,
        )

    def _install(self, event: SnapshotStored, leader: object) -> None:
        """Raft Figure 13, rules 6 to 8: entries after the snapshot are kept if the log agrees with it."""
        state, log, position = self._role_state, self._role_state.log, event.snapshot.position
        facts = state.durability.hard_state.facts
        agrees = log.agrees_with(position)
        installed = facts.installed(event.facts or facts, event.snapshot, keeps_later=agrees)
        first_index = LogIndex(position.index + 1)
        if agrees:
            state.durability.compact(installed, first_index)
            log.compact(position)
        else:
            oldest = LogIndex(log.base.index + 1) if log.last_index > log.base.index else None
            state.durability.compact(installed, first_index, truncate_from=oldest)
            log.reset(position)
        log.commit_to(position.index)
        self._applier.restore(event.snapshot)
        state.log_clock.received(event.snapshot.stamp_ms, state.now)
        state.members_changed()
        state.outbox.observe(
            SNAPSHOT_INSTALLED,
            term=state.term,
            leader=leader,
            index=position.index,
            size_bytes=event.snapshot.size_bytes,
        )
