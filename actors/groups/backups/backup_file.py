"""Backup file: writes, reads and checks the file of a backup: the snapshot of one group, and what it is of.

    magic      b"coterie backup", and the version of the format (1 byte)
    header     length of the body (4 bytes), checksum of the body (CRC-32, 4 bytes), body: JSON
    snapshot   as it is in a store: see `coterie.actors.groups.compaction.snapshot_content`
    digest     the SHA-256 of everything before it (32 bytes)

Numbers are big-endian. The file is written as `<path>.tmp`, synced, and renamed: so a file that has its name is whole,
whenever a crash comes. All calls block: make them on the disk thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os.path
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from coterie.actors.groups.backups.backup_errors import BackupDamaged, BackupFailed
from coterie.actors.groups.compaction.snapshot_content import MANIFEST, FrameReader, Manifest, decode_manifest
from coterie.actors.groups.replicas.replica_snapshot import Section, SectionOrder, decode_head
from coterie.errors import UnsupportedFormat
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term
from coterie.runtime.hosts.host import Disk, File

__all__ = ["BackupContent", "BackupHeader", "BackupWriter", "encode_header", "examine_backup", "frames_of"]

MAGIC: Final = b"coterie backup"
FORMAT: Final = 1
"""The version of the format. Raise it when it changes."""

READ_BYTES: Final = 256 * 1024
HEADER_BYTES_MAX: Final = 64 * 1024

_LENGTHS: Final = struct.Struct(">II")
_START: Final = len(MAGIC) + 1
_DIGEST_BYTES: Final = hashlib.sha256().digest_size

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BackupHeader:
    """What a backup is of.

    Attributes:
        cluster, group: their names.
        node: the node that gave the snapshot.
        incarnation: of the group: 16 bytes.
        snapshot: position, log time, size and digest of the snapshot.
        created_at_s: when it was taken, by the clock of the client (Unix time, s): to be shown, never to decide.
    """

    cluster: str
    group: str
    node: str
    incarnation: bytes
    snapshot: SnapshotId
    created_at_s: float


@dataclass(frozen=True, slots=True)
class BackupContent:
    """What was found in a whole backup.

    `manifest`: what the snapshot says of its group. `sessions_bytes`, `machine_bytes`: how much of it is which.
    `size_bytes`: of the file. `digest`: that of its end, of everything before it.
    """

    header: BackupHeader
    manifest: Manifest
    sessions_bytes: int
    machine_bytes: int
    size_bytes: int
    digest: bytes


# --- writing


class BackupWriter:
    """Writes one backup, as `<path>.tmp` until it is whole.

    Args:
        disk: the file system.
        path: the file.
        overwrite: whether a file that is there is replaced.

    Raises:
        BackupFailed: there is a file already, or another process is writing it.
        OSError: the file cannot be written; as from all calls.
    """

    def __init__(self, disk: Disk, path: str, *, overwrite: bool) -> None:
        self._disk = disk
        self._path = path
        self._overwrite = overwrite
        self._temporary = f"{path}.tmp"
        self._check_free()
        try:
            self._unlock = disk.lock(self._temporary)
        except BlockingIOError as error:
            raise BackupFailed(f"{self._temporary!r} is locked: another process is writing this backup") from error
        try:
            self._file: File = disk.open(self._temporary)
        except BaseException:
            self._unlock()
            raise
        self._digest = hashlib.sha256()
        self._is_open = True
        self.size_bytes = 0
        """How much has been written."""

    def begin(self, header: BackupHeader) -> None:
        """Begin the file, or begin it again."""
        self._file.truncate(0)
        self._digest, self.size_bytes = hashlib.sha256(), 0
        self.append(encode_header(header))

    def append(self, data: bytes) -> None:
        """Append a part of the snapshot."""
        self._file.write_at(self.size_bytes, data)
        self._digest.update(data)
        self.size_bytes += len(data)

    def finish(self) -> bytes:
        """Make the file whole and durable, under its name; return its digest."""
        digest = self._digest.digest()
        self.append(digest)
        self._file.sync()
        self._check_free()
        self._disk.rename(self._temporary, self._path)
        self._disk.sync_directory(os.path.dirname(self._path) or ".")
        self._close()
        return digest

    def abandon(self) -> None:
        """Remove what was written; no effect after `finish`, or twice."""
        if self._is_open:
            self._file.close()
            if self._disk.exists(self._temporary):
                self._disk.remove(self._temporary)
            self._close()

    def _close(self) -> None:
        self._is_open = False
        self._file.close()
        self._unlock()

    def _check_free(self) -> None:
        if not self._overwrite and self._disk.exists(self._path):
            raise BackupFailed(f"{self._path!r} exists: choose another name, or replace it with --force (overwrite=)")


def encode_header(header: BackupHeader) -> bytes:
    """Return the beginning of the file, up to the snapshot."""
    snapshot = header.snapshot
    record = {
        "cluster": header.cluster,
        "group": header.group,
        "node": header.node,
        "incarnation": header.incarnation.hex(),
        "position": list(snapshot.position),
        "stamp_ms": snapshot.stamp_ms,
        "size_bytes": snapshot.size_bytes,
        "digest": snapshot.digest.hex(),
        "created_at_s": float(header.created_at_s),
    }
    body = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return MAGIC + bytes((FORMAT,)) + _LENGTHS.pack(len(body), zlib.crc32(body)) + body


# --- reading


def examine_backup(disk: Disk, path: str) -> BackupContent:
    """Read all of a backup and check everything in it that can be checked without the code of the machine.

    Raises:
        BackupDamaged: it does not read back, with the byte.
        UnsupportedFormat: it has another format.
        OSError: there is no such file, or it cannot be read.
    """
    with contextlib.closing(disk.open(path)) as file:
        header, _ = _read_header(file, path)
        manifest: Manifest | None = None
        order, size_by_section = SectionOrder(), dict.fromkeys(Section, 0)
        for at, number, body in _frames_with_places(file, path):
            try:
                if number == MANIFEST:
                    manifest = decode_manifest(body)
                    _compare(header, manifest)
                    continue
                section = Section(number)
                if not order.has_begun:
                    decode_head(body, header.snapshot.position.index)
                order.take(section, body)
                size_by_section[section] += len(body)
            except ValueError as error:
                raise BackupDamaged(path, at, str(error)) from error
        size_bytes = file.size()
        if manifest is None or not order.is_whole:
            raise BackupDamaged(path, size_bytes, "the end of the state is missing")
        digest = file.read_at(size_bytes - _DIGEST_BYTES, _DIGEST_BYTES)
    sessions_bytes, machine_bytes = size_by_section[Section.SESSIONS], size_by_section[Section.MACHINE]
    return BackupContent(header, manifest, sessions_bytes, machine_bytes, size_bytes, digest)


def frames_of(disk: Disk, path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the frames of the snapshot in a backup as (section, body), the manifest first.

    What is damaged is found at its place, or only at the end: examine the backup before.

    Raises:
        BackupDamaged, UnsupportedFormat, OSError: as `examine_backup`.
    """
    with contextlib.closing(disk.open(path)) as file:
        for _, section, body in _frames_with_places(file, path):
            yield section, body


def _frames_with_places(file: File, path: str) -> Iterator[tuple[int, int, bytes]]:
    """Yield each frame with the byte at which it begins; then check the digests of the snapshot and of the file."""
    header, start = _read_header(file, path)
    end = start + header.snapshot.size_bytes
    whole, content = hashlib.sha256(file.read_at(0, start)), hashlib.sha256()
    reader, offset, place = FrameReader(), start, start
    while offset < end:
        data = file.read_at(offset, min(READ_BYTES, end - offset))
        if not data:
            raise BackupDamaged(path, offset, f"it ends here, and {end + _DIGEST_BYTES - offset} bytes are missing")
        offset += len(data)
        whole.update(data)
        content.update(data)
        try:
            for section, body in reader.feed(data):
                yield place, section, body
                place = start + reader.taken_bytes
        except UnsupportedFormat:
            raise
        except ValueError as error:
            raise BackupDamaged(path, start + reader.taken_bytes, str(error)) from error
    if not reader.is_complete:
        raise BackupDamaged(path, start + reader.taken_bytes, "the end of the snapshot is missing")
    if content.digest() != header.snapshot.digest:
        raise BackupDamaged(path, start, "the digest of the snapshot is not that of its header")
    _check_end(file, path, end, whole.digest())


def _check_end(file: File, path: str, end: int, digest: bytes) -> None:
    found = file.read_at(end, _DIGEST_BYTES + 1)
    if len(found) < _DIGEST_BYTES:
        raise BackupDamaged(path, end + len(found), f"{_DIGEST_BYTES - len(found)} bytes of its digest are missing")
    if len(found) > _DIGEST_BYTES:
        raise BackupDamaged(path, end + _DIGEST_BYTES, "bytes follow its end")
    if found != digest:
        raise BackupDamaged(path, end, "its digest does not match: bytes before it have changed")


def _read_header(file: File, path: str) -> tuple[BackupHeader, int]:
    """Return the header, and where the snapshot begins."""
    start = file.read_at(0, _START)
    if start[: len(MAGIC)] != MAGIC or len(start) < _START:
        raise BackupDamaged(path, 0, "this is no backup: it begins otherwise")
    if start[-1] != FORMAT:
        raise UnsupportedFormat(path, found=start[-1], supported=FORMAT, part="backup format")
    lengths = file.read_at(_START, _LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        raise BackupDamaged(path, _START + len(lengths), "it ends within its header")
    length, checksum = _LENGTHS.unpack(lengths)
    at = _START + _LENGTHS.size
    body = file.read_at(at, min(length, HEADER_BYTES_MAX))
    if len(body) < length or zlib.crc32(body) != checksum:
        raise BackupDamaged(path, _START, "its header does not match its checksum, or is not whole")
    try:
        return _header(json.loads(body)), at + len(body)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackupDamaged(path, at, f"its header cannot be decoded: {error!r}") from error


def _header(record: dict[str, Any]) -> BackupHeader:
    index, term = record["position"]
    snapshot = SnapshotId(
        LogPosition(LogIndex(_exact(int, index)), Term(_exact(int, term))),
        _exact(int, record["stamp_ms"]),
        _exact(int, record["size_bytes"]),
        bytes.fromhex(_exact(str, record["digest"])),
    )
    return BackupHeader(
        _exact(str, record["cluster"]),
        _exact(str, record["group"]),
        _exact(str, record["node"]),
        bytes.fromhex(_exact(str, record["incarnation"])),
        snapshot,
        _exact(float, record["created_at_s"]),
    )


def _compare(header: BackupHeader, manifest: Manifest) -> None:
    """Raise ValueError unless header and snapshot are of the same group and position."""
    told = (header.group, header.incarnation, header.snapshot.position)
    found = (manifest.group, manifest.facts.incarnation, manifest.facts.base)
    if told != found:
        raise ValueError(f"its header says {told}, and its snapshot {found}")


def _exact(kind: type[T], value: Any) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value
