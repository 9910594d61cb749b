"""Replica status: reports what one node of a group is and does, for operators."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.group_messages import LOST_PROMISES, NOT_A_MEMBER, QUARANTINED, GroupMember, GroupStatus
from coterie.protocols.raft.membership.membership import Member
from coterie.protocols.raft.membership.reconfiguration import ChangePhase, ChangeStatus
from coterie.protocols.raft.raft import Raft
from coterie.runtime.storage.log_store import LogStore

__all__ = ["change_in_words", "group_members", "replica_status"]


def replica_status(
    group: str,
    node: str,
    raft: Raft,
    schemas: SchemaKeeper,
    store: LogStore,
    *,
    lost: str | None,
    inactive_reason: str | None,
    quarantine: str | None,
    trouble: str | None,
    activity: str | None = None,
) -> GroupStatus:
    """Return the status of a replica.

    `lost`: what the store has lost of its promises to this group; None: nothing. `inactive_reason`: why it takes no
    part; None: it does. `quarantine`: why it only stores and votes; None: it does not. `trouble`: what this node has
    found to be wrong with the group. `activity`: what is under way with snapshots. Lost promises are the reason before
    all others.
    """
    active, change = schemas.active, raft.change_status
    role = (
        inactive_reason
        or (None if raft.is_member else NOT_A_MEMBER)
        or (raft.role.value if quarantine is None else QUARANTINED)
    )
    return GroupStatus(
        group=group,
        node=node,
        role=role if lost is None else LOST_PROMISES,
        term=raft.term,
        leader=raft.leader,
        last_index=raft.last_index,
        commit_index=raft.commit_index,
        applied_index=raft.applied_index,
        store=store.store_id,
        syncs=store.syncs,
        members=group_members(raft.facts.known_members),
        quarantine=lost or quarantine,
        revision=0 if active is None else active.number,
        version=0 if active is None else active.schema.version,
        code_version=schemas.code_version,
        code_schema=schemas.hash.hex(),
        trouble=trouble,
        base_index=raft.facts.base.index,
        snapshot_index=0 if raft.facts.snapshot is None else raft.facts.snapshot.position.index,
        activity=activity,
        change=None if change is None else change_in_words(change),
        disk="full" if store.is_full else "nearly_full" if store.is_short_of_space else None,
        full_for_s=store.full_for_s,
    )


def group_members(members: Sequence[Member]) -> tuple[GroupMember, ...]:
    """Return members as messages have them."""
    return tuple(GroupMember(each.node, each.store_id, each.role.value, each.address) for each in members)


def change_in_words(change: ChangeStatus) -> str:
    """Return how far a change of members is, for operators."""
    what = "complete an earlier change" if change.change is None else str(change.change)
    waits_for = f", waits for {', '.join(change.waits_for)}" if change.waits_for else ""
    match change.phase:
        case ChangePhase.CATCHING_UP:
            return f"{what}: {change.entries_left} entries left{waits_for}"
        case ChangePhase.HELD:
            return f"{what}: held: {change.because}"
        case _:
            return f"{what}: {change.phase.value}{waits_for}"
