"""`restore_backup`: lets a group begin anew from a backup, in the data directory of one node that lacks it.

    format the directory, if it is new ─▶ snapshot ─▶ register: now the group is there ─▶ the empty log goes on after it

The register is written last, so that a crash before it leaves a store that lacks the group: a restore can be repeated.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from coterie.actors.groups.backups.backup_errors import RestoreRefused
from coterie.actors.groups.backups.backup_file import BackupContent, examine_backup, frames_of
from coterie.actors.groups.compaction.snapshot_content import Manifest
from coterie.actors.groups.raft_records import encode_register
from coterie.actors.recovery.snapshot_rewriting import restored_frames, write_snapshot
from coterie.actors.topology.stored_groups import is_forgotten
from coterie.errors import NotFormatted, StorageError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex, Term
from coterie.runtime.hosts.host import Disk, Host
from coterie.runtime.storage.data_directory import check_owner, format_store, read_meta, undo_format
from coterie.runtime.storage.log_store import LogStore, Write
from coterie.runtime.storage.segmented_log import SegmentedLog

__all__ = ["RestoredGroup", "new_incarnation", "restore_backup", "sole_member"]


@dataclass(frozen=True, slots=True)
class RestoredGroup:
    """A group that was restored: `backup` is what it was restored from; it is in the store `store_id` of `node`."""

    backup: BackupContent
    cluster: str
    node: str
    store_id: str
    incarnation: bytes


async def restore_backup(
    host: Host, path: str, data: str, *, node: str, cluster: str | None = None, backup_disk: Disk | None = None
) -> RestoredGroup:
    """Let the group in the backup `path` begin anew in the data directory `data`, with `node` as its only member.

    A directory without a store is formatted. `cluster`: to which the node belongs; None: that of the backup.
    `backup_disk`: where the backup is read; None: the disk of the host.

    Raises:
        BackupDamaged, UnsupportedFormat: the backup cannot be used.
        RestoreRefused: the directory has the group, has forgotten it, or its store has lost promises.
        StorageError: the directory is in use, or of another node or cluster, or cannot be written.
        OSError: the backup cannot be read.
    Nothing has changed then; a directory that was formatted for it can be formatted again.
    """
    disk = backup_disk or host.disk
    content = await host.executor.run_disk(lambda: examine_backup(disk, path))
    cluster = cluster or content.header.cluster
    formatted = await _format_if_new(host, data, cluster, node)
    try:
        store = await SegmentedLog.open(host, data, cluster=cluster, node=node)
        try:
            await _check(store, content.header.group, data)
            facts = _facts(content, Membership((sole_member(node, store.store_id),)), new_incarnation(host))
            await _write(host, store, content, facts, partial(frames_of, disk, path))
        finally:
            await store.close()
    except BaseException:
        if formatted is not None:
            with contextlib.suppress(StorageError, OSError):  # it can be repeated all the same
                await undo_format(host, data, formatted)
        raise
    return RestoredGroup(content, cluster, node, store.store_id, facts.incarnation)


def sole_member(node: str, store_id: str, address: str | None = None) -> Member:
    """Return the only member of a group that begins anew."""
    return Member(NodeId(node), StoreId(store_id), address=address)


def new_incarnation(host: Host) -> bytes:
    """Return a random incarnation."""
    return host.random.getrandbits(8 * INCARNATION_BYTES).to_bytes(INCARNATION_BYTES, "big")


async def _format_if_new(host: Host, data: str, cluster: str, node: str) -> str | None:
    """Format the directory if there is no store; return the id of its store then."""
    try:
        meta = await host.executor.run_disk(lambda: read_meta(host.disk, data))
    except NotFormatted:
        return await format_store(host, data, cluster=cluster, node=node)
    check_owner(meta, data, cluster=cluster, node=node)
    return None


async def _check(store: SegmentedLog, group: str, data: str) -> None:
    """Raise RestoreRefused unless the group can begin in this store."""
    if store.lost_promises is not None:
        text = f"the store in {data!r} has lost promises ({store.lost_promises}): restore into a new directory"
        raise RestoreRefused(text)
    if any(held.partition("#")[0] == group for held in store.groups()):
        text = (
            f"{data!r} holds group {group!r} already: a backup is restored into a directory without it; nothing changed"
        )
        raise RestoreRefused(text)
    if await is_forgotten(store, group):
        text = f"group {group!r} was forgotten in {data!r} (--forget-group): restore it into a new directory"
        raise RestoreRefused(text)


def _facts(content: BackupContent, members: Membership, incarnation: bytes) -> GroupFacts:
    """Return the facts of the group that begins anew, as of the position of the snapshot."""
    past = content.manifest.facts
    return replace(
        past, incarnation=incarnation, founders=members, memberships=((past.membership_index, members),), snapshot=None
    )


async def _write(
    host: Host,
    store: LogStore,
    content: BackupContent,
    facts: GroupFacts,
    frames: Callable[[], Iterator[tuple[int, bytes]]],
) -> None:
    group, past = content.header.group, content.header.snapshot
    rewritten = restored_frames(frames(), Manifest(group, facts))
    snapshot = await write_snapshot(host, store, group, rewritten, facts, past.stamp_ms)
    term = Term(past.position.term + 1)
    register = HardState(term, NodeId(store.store_id), replace(facts, snapshot=snapshot))
    store.write(Write(group, metadata=encode_register(register)), lambda: None)
    await store.state(group)
    store.drop_before(group, LogIndex(past.position.index + 1))
    await store.state(group)
