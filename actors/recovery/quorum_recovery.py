"""`recover_group`: lets a group that has lost its quorum begin anew from the log of one store, offline.

It goes on behind the last entry of this log, whether that was committed or not. What other stores acknowledged after it
is lost. So an operator has to accept that, for exactly what was found (`acceptance_token`).

    snapshot, renamed ─▶ one atomic write: register │ INCARNATION entry │ MEMBERSHIP entry ─▶ older snapshots go

A crash before the write leaves the group as it was, one after it the group that begins anew. The entries are of a new
term. The first ends all sessions, on every replica that applies it: so the entries before it are executed as they were.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from coterie.actors.groups.backups.backup_errors import RestoreRefused
from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, read_manifest, snapshot_name
from coterie.actors.groups.compaction.snapshot_content import FrameReader, Manifest
from coterie.actors.groups.members.recovered_stores import forgive
from coterie.actors.groups.raft_records import read_restored, write_of
from coterie.actors.recovery.backup_restore import new_incarnation, sole_member
from coterie.actors.recovery.snapshot_rewriting import Frame, renamed_frames, write_snapshot
from coterie.errors import InvariantViolated, StorageError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.hosts.host import Disk, Host
from coterie.runtime.storage.data_directory import StoreMeta, read_meta
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.snapshots.snapshot_files import group_digits, snapshot_path

__all__ = ["RecoveredGroup", "acceptance_token", "recover_group"]


@dataclass(frozen=True, slots=True)
class RecoveredGroup:
    """A group that was recovered: its last entry before, and the incarnations before and after."""

    group: str
    cluster: str
    node: str
    store_id: str
    last_index: LogIndex
    former_incarnation: bytes
    incarnation: bytes


def acceptance_token(store_id: str, register: HardState, last_index: int) -> str:
    """Return 8 hex digits that stand for what was found of a group in a store: they change with it."""
    facts = register.facts
    text = f"{store_id} {facts.incarnation.hex()} {register.term} {last_index}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


async def recover_group(host: Host, data: str, group: str, *, token: str) -> RecoveredGroup:
    """Let `group` begin anew in the data directory `data`, with this store as its only member.

    `token`: says which loss is accepted: see `acceptance_token`.

    Raises:
        RestoreRefused: there is no such Raft group, or it is not what the token stands for: nothing was changed.
        StorageError: the directory is in use, or cannot be read or written.
    """
    meta = await host.executor.run_disk(lambda: read_meta(host.disk, data))
    store = await SegmentedLog.open(host, data, cluster=meta.cluster, node=meta.node)
    try:
        restored = await _read(store, group, data)
        if acceptance_token(store.store_id, restored.hard_state, restored.last_index) != token:
            text = f"{token!r} does not stand for what group {group!r} in {data!r} is now: look at it again, without it"
            raise RestoreRefused(text)
        incarnation = new_incarnation(host)
        await _begin_anew(host, store, data, group, meta, restored, incarnation)
    finally:
        await store.close()
    former = restored.hard_state.facts.incarnation
    return RecoveredGroup(group, meta.cluster, meta.node, meta.store_id, restored.last_index, former, incarnation)


async def _read(store: SegmentedLog, group: str, data: str) -> Restored:
    if group not in store.groups():
        there_are = ", ".join(repr(each) for each in store.groups() if "#" not in each) or "none"
        raise RestoreRefused(f"there is no group {group!r} in {data!r}: the groups are {there_are}")
    try:
        restored = await read_restored(store, group)
    except InvariantViolated as error:
        raise RestoreRefused(f"{group!r} in {data!r} is no Raft group that can be read: {error}") from error
    if not restored.hard_state.facts.is_founded:
        raise RestoreRefused(f"group {group!r} in {data!r} was never founded: there is nothing to recover")
    return restored


async def _begin_anew(
    host: Host, store: SegmentedLog, data: str, group: str, meta: StoreMeta, restored: Restored, incarnation: bytes
) -> None:
    register, last_index = restored.hard_state, restored.last_index
    facts = register.facts.truncated_from(LogIndex(last_index + 1))
    members = Membership((sole_member(meta.node, meta.store_id, _address(facts, meta.node)),))
    facts = replace(facts, incarnation=incarnation, founders=members)
    if facts.snapshot is not None:
        facts = replace(facts, snapshot=await _renamed(host, store, data, group, facts, facts.snapshot))
    term = Term(register.term + 1)
    entries = tuple(
        Entry(LogIndex(index), term, kind, content, restored.last_stamp_ms)
        for index, (kind, content) in enumerate(
            ((EntryKind.INCARNATION, incarnation), (EntryKind.MEMBERSHIP, members.encode())), last_index + 1
        )
    )
    facts = facts.with_entry(entries[-1])
    forgive(store, group, incarnation)
    write = LogWrite(HardState(term, NodeId(meta.store_id), facts), entries=entries)
    store.write(write_of(group, write), lambda: None)
    await store.state(group)
    await store.snapshots.keep(group, () if facts.snapshot is None else (snapshot_name(facts.snapshot),))


def _address(facts: GroupFacts, node: str) -> str | None:
    """Return where the group has reached the node, if its log says so."""
    known = facts.known_membership
    members = () if known is None else known.members_on(NodeId(node))
    return next((member.address for member in members if member.address is not None), None)


async def _renamed(
    host: Host, store: LogStore, data: str, group: str, facts: GroupFacts, snapshot: SnapshotId
) -> SnapshotId:
    """Write the present snapshot once more, as one of the new incarnation; return which that is."""
    path = snapshot_path(data, group_digits(group), snapshot_name(snapshot))
    try:
        past = (await read_manifest(store, group, snapshot)).facts
        past = replace(past, incarnation=facts.incarnation, founders=facts.founders)
        frames = renamed_frames(_frames(host.disk, path, snapshot), Manifest(group, past))
        return await write_snapshot(host, store, group, frames, past, snapshot.stamp_ms)
    except (StorageError, ValueError) as error:
        text = f"the snapshot of group {group!r} in {data!r} cannot be written anew: {error}; nothing was changed"
        raise RestoreRefused(text) from error


def _frames(disk: Disk, path: str, snapshot: SnapshotId) -> Iterator[Frame]:
    """Yield the frames of a snapshot. ValueError if it does not read back as a whole."""
    reader, digest, offset = FrameReader(), hashlib.sha256(), 0
    with contextlib.closing(disk.open(path)) as file:
        while data := file.read_at(offset, CHUNK_BYTES):
            offset += len(data)
            digest.update(data)
            yield from reader.feed(data)
    if not reader.is_complete or digest.digest() != snapshot.digest:
        raise ValueError(f"{path!r} does not read back: its end or its digest is not right")
