"""Replica status: reports what one node of a group is and does, for operators."""

from __future__ import annotations

from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.group_messages import LOST_PROMISES, QUARANTINED, GroupMember, GroupStatus
from coterie.protocols.raft.raft import Raft
from coterie.runtime.storage.log_store import LogStore

__all__ = ["replica_status"]


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

    `lost`: what the store has lost of its promises to this group; None: nothing. `inactive_reason`: why it is no active
    voter; None: it is. `quarantine`: why it only stores and votes; None: it does not. `trouble`: what this node has
    found to be wrong with the group. `activity`: what is under way with snapshots. Lost promises are the reason before
    all others.
    """
    active = schemas.active
    role = inactive_reason or (raft.role.value if quarantine is None else QUARANTINED)
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
        members=tuple(
            GroupMember(member.node, member.store_id, member.role.value) for member in raft.facts.membership.members
        ),
        quarantine=lost or quarantine,
        revision=0 if active is None else active.number,
        version=0 if active is None else active.schema.version,
        code_version=schemas.code_version,
        code_schema=schemas.hash.hex(),
        trouble=trouble,
        base_index=raft.facts.base.index,
        snapshot_index=0 if raft.facts.snapshot is None else raft.facts.snapshot.position.index,
        activity=activity,
    )
