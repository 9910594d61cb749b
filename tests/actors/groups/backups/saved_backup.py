"""A backup of a small group, made without a cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from coterie.actors.groups.backups.backup_file import BackupHeader, BackupWriter
from coterie.actors.groups.compaction.snapshot_content import Manifest, encode_frame, encode_head, encode_tail
from coterie.actors.groups.replicas.replica import Replica, session_incarnation
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.protocols.sessions import encode_open_session, encode_plain
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

GROUP = "totals"
POSITION = LogPosition(LogIndex(7), Term(3))
MEMBERS = Membership(tuple(Member(f"n{number}", StoreId(f"{number:032x}")) for number in (1, 2, 3)))  # type: ignore[arg-type]
FACTS = GroupFacts(b"i" * 16, MEMBERS, POSITION, ((LogIndex(2), MEMBERS),))
STAMP_MS = 5_000


class Words:
    """A machine that keeps what it was told, and gives it away in pieces."""

    def __init__(self) -> None:
        self.words: list[bytes] = []

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        self.words.append(command)
        return b"%d" % len(self.words)

    def snapshot(self) -> Iterator[bytes]:
        return iter(list(self.words))

    def restore(self, piece: bytes, /) -> None:
        self.words.append(piece)

    def reset(self) -> None:
        self.words.clear()


def replica(machine: Words | None = None) -> Replica:
    return Replica(machine or Words(), incarnation=session_incarnation(GROUP))


def filled() -> Replica:
    made = replica()
    commands = [encode_open_session(b"n" * 16), *(encode_plain(b"word %d" % number) for number in range(6))]
    for index, command in enumerate(commands, 1):
        made.apply(Entry(LogIndex(index), Term(3), EntryKind.COMMAND, command))
    return made


def snapshot_bytes() -> bytes:
    frames = [encode_head(Manifest(GROUP, FACTS))]
    frames += [encode_frame(section, piece) for section, piece in filled().snapshot()]
    return b"".join([*frames, encode_tail(len(frames))])


def header_of(content: bytes, **changes: object) -> BackupHeader:
    snapshot = SnapshotId(POSITION, STAMP_MS, len(content), hashlib.sha256(content).digest())
    told = {"cluster": "kept", "group": GROUP, "node": "n1", "incarnation": b"i" * 16, "created_at_s": 1.5}
    return BackupHeader(snapshot=snapshot, **{**told, **changes})  # type: ignore[arg-type]


def write_backup(disk: VirtualDisk, path: str = "/backups/totals", **changes: Any) -> bytes:
    """Write a backup; return its bytes."""
    content = snapshot_bytes()
    disk.make_directories("/backups")
    writer = BackupWriter(disk, path, overwrite=True)
    writer.begin(header_of(content, **changes))
    writer.append(content)
    writer.finish()
    return disk.contents(path)
