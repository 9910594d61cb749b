"""Data directory: creates and locks a store's directory, and checks which cluster and node the store belongs to.

    coterie store, format 2
    {"cluster": …, "node": …, "salt": …, "store_id": …}
    <CRC-32 of the lines above, 8 hex digits>

The version precedes everything that may change with it. Formatting creates the first segment, then the meta file under
a temporary name, and renames it as the last step: a crash before that leaves the directory "not formatted".
"""

from __future__ import annotations

import contextlib
import json
import os.path
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass

from coterie.errors import (
    AlreadyFormatted,
    DataDirectoryInUse,
    NotFormatted,
    StorageDamaged,
    UnsupportedFormat,
    WrongStore,
)
from coterie.runtime.hosts.host import Disk, Host
from coterie.runtime.storage.segment_files import create_segment, is_pristine, segment_names
from coterie.runtime.storage.segment_format import SegmentHeader

__all__ = [
    "FORMAT_VERSION",
    "StoreMeta",
    "check_owner",
    "decode_meta",
    "encode_meta",
    "format_store",
    "lock_store",
    "read_meta",
]

FORMAT_VERSION = 2
"""The version of everything in a data directory, the records of the groups included. Raise it when any of it changes.

Format 2: log entries with a format byte, kind and stamp; a versioned register for each group.
"""

_TITLE = "coterie store, format "
_META = "meta"
_META_NEW = "meta.new"


@dataclass(frozen=True, slots=True)
class StoreMeta:
    """The identity of a store. `salt` seeds all its checksums (32 bits); `store_id` is 32 hex digits."""

    cluster: str
    node: str
    salt: int
    store_id: str


async def format_store(host: Host, path: str, *, cluster: str, node: str) -> str:
    """Make an empty store for `node` of `cluster` in the directory `path` (created if missing); return its store id.

    Run once for each node, explicitly: a node that lost its data must not come back under its old name.

    Raises:
        AlreadyFormatted: There is a store already, or segments that an interrupted formatting does not explain.
        DataDirectoryInUse: Another process holds the lock.
        ValueError: `cluster` or `node` is empty.
    """
    if not cluster or not node:
        raise ValueError("cluster and node must not be empty")
    store_id = f"{host.random.getrandbits(128):032x}"
    meta = StoreMeta(cluster, node, host.random.getrandbits(32), store_id)
    await host.executor.run_disk(lambda: _format(host.disk, path, meta))
    return store_id


def lock_store(disk: Disk, path: str) -> Callable[[], None]:
    """Lock the data directory; return the function that unlocks it. `DataDirectoryInUse` if it is locked."""
    try:
        return disk.lock(os.path.join(path, "lock"))
    except BlockingIOError as error:
        raise DataDirectoryInUse(path) from error


def read_meta(disk: Disk, path: str) -> StoreMeta:
    """Read the meta file of the data directory `path`. `NotFormatted`, `UnsupportedFormat` or `StorageDamaged`."""
    name = os.path.join(path, _META)
    if not disk.exists(name):
        raise NotFormatted(path)
    with contextlib.closing(disk.open(name)) as file:
        return decode_meta(file.read_at(0, file.size()), name)


def check_owner(meta: StoreMeta, path: str, *, cluster: str, node: str) -> None:
    """`WrongStore` unless the store belongs to this node of this cluster."""
    if (meta.cluster, meta.node) != (cluster, node):
        raise WrongStore(path, expected=(cluster, node), found=(meta.cluster, meta.node))


def encode_meta(meta: StoreMeta) -> bytes:
    """Return the bytes of the meta file."""
    text = f"{_TITLE}{FORMAT_VERSION}\n{json.dumps(asdict(meta), sort_keys=True)}\n".encode()
    return text + f"{zlib.crc32(text):08x}\n".encode()


def decode_meta(data: bytes, name: str) -> StoreMeta:
    """Read the bytes of the meta file `name`. `UnsupportedFormat` or `StorageDamaged`."""
    lines = data.split(b"\n")
    version = lines[0].removeprefix(_TITLE.encode())
    if version == lines[0] or not version.isdigit():
        raise StorageDamaged(name, 0, "this is not the meta file of a store")
    if int(version) != FORMAT_VERSION:
        raise UnsupportedFormat(name, found=int(version), supported=FORMAT_VERSION)
    text = b"\n".join(lines[:2]) + b"\n"
    if data != text + f"{zlib.crc32(text):08x}\n".encode():
        raise StorageDamaged(name, 0, "the checksum of the meta file does not match")
    return StoreMeta(**json.loads(lines[1]))


def _format(disk: Disk, path: str, meta: StoreMeta) -> None:
    disk.make_directories(path)
    unlock = lock_store(disk, path)
    try:
        _refuse_formatted(disk, path)
        _remove_leftovers(disk, path)
        create_segment(disk, path, SegmentHeader(1, 0, 0), b"", meta.salt).file.close()
        _write_meta(disk, path, meta)
    finally:
        unlock()


def _refuse_formatted(disk: Disk, path: str) -> None:
    if disk.exists(os.path.join(path, _META)):
        raise AlreadyFormatted(path, "a store")
    if not is_pristine(disk, path):
        raise AlreadyFormatted(path, "log segments without their meta file")


def _remove_leftovers(disk: Disk, path: str) -> None:
    leftovers = [name for name in disk.names(path) if name == _META_NEW]
    for name in leftovers + segment_names(disk, path):
        disk.remove(os.path.join(path, name))
    disk.sync_directory(path)


def _write_meta(disk: Disk, path: str, meta: StoreMeta) -> None:
    with contextlib.closing(disk.open(os.path.join(path, _META_NEW), create=True)) as file:
        file.write_at(0, encode_meta(meta))
        file.sync()
    disk.rename(os.path.join(path, _META_NEW), os.path.join(path, _META))
    disk.sync_directory(path)
