"""Snapshot rewriting: writes a snapshot of a group as it was as one of the group that begins anew.

The state of the machine stays byte for byte. After a restore the sessions go, too: what clients sent to the group as it
was must not be executed in it. After a recovery they stay in the snapshot, since entries of the log that follow it are
executed in them; an entry behind these ends them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, snapshot_name
from coterie.actors.groups.compaction.snapshot_content import (
    MANIFEST,
    Manifest,
    encode_frame,
    encode_head,
    encode_tail,
)
from coterie.actors.groups.replicas import replica_snapshot
from coterie.actors.groups.replicas.replica_snapshot import Section, SectionOrder
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions.kept_sessions import KeptSessions
from coterie.protocols.sessions.session_snapshot import snapshot_pieces
from coterie.runtime.hosts.host import Host
from coterie.runtime.storage.log_store import LogStore

__all__ = ["renamed_frames", "restored_frames", "write_snapshot"]

Frame = tuple[int, bytes]


def renamed_frames(frames: Iterable[Frame], manifest: Manifest) -> Iterator[bytes]:
    """Yield the bytes of a snapshot with another manifest: all frames but that of the manifest are as they were."""
    yield encode_head(manifest)
    count = 1
    for section, body in frames:
        if section != MANIFEST:
            yield encode_frame(section, body)
            count += 1
    yield encode_tail(count)


def restored_frames(frames: Iterable[Frame], manifest: Manifest) -> Iterator[bytes]:
    """Yield the bytes of a snapshot with another manifest, and without any session.

    Raises:
        ValueError: the frames are none of a replica.
    """
    yield from renamed_frames(_without_sessions(frames, manifest.facts), manifest)


def _without_sessions(frames: Iterable[Frame], facts: GroupFacts) -> Iterator[Frame]:
    order, machine_pieces = SectionOrder(), 0
    sessions = list(snapshot_pieces(KeptSessions()))
    for number, body in frames:
        if number == MANIFEST:
            continue
        section, is_head = Section(number), not order.has_begun
        order.take(section, body)
        if is_head:
            head = replica_snapshot.decode_head(body, LogIndex(facts.base.index))
            yield Section.REPLICA, replica_snapshot.encode_head(head._replace(incarnation=facts.incarnation))
            yield from ((Section.SESSIONS, piece) for piece in sessions)
        elif section is Section.MACHINE:
            machine_pieces += 1
            yield section, body
        elif section is Section.REPLICA:
            yield section, replica_snapshot.encode_end(len(sessions), machine_pieces)


async def write_snapshot(
    host: Host, store: LogStore, group: str, frames: Iterator[bytes], facts: GroupFacts, stamp_ms: int
) -> SnapshotId:
    """Write a snapshot of `group` at `facts.base` durably into the store; return which it is.

    The frames are taken on the disk thread: they may read a file.

    Raises:
        StorageError: it cannot be written; and whatever the frames raise. Then nothing is left of it.
    """
    writer = await store.snapshots.create(group)
    try:
        while part := await host.executor.run_disk(lambda: _next_part(frames)):
            await writer.append(part)
        snapshot = SnapshotId(facts.base, stamp_ms, writer.size_bytes, await writer.digest())
        await writer.finish(snapshot_name(snapshot))
    except BaseException:
        await writer.abandon()
        raise
    return snapshot


def _next_part(frames: Iterator[bytes]) -> bytes:
    parts, size_bytes = [], 0
    for frame in frames:
        parts.append(frame)
        size_bytes += len(frame)
        if size_bytes >= CHUNK_BYTES:
            break
    return b"".join(parts)
