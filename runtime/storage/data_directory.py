"""Data directory: creates and locks a store's directory, and checks which cluster and node the store belongs to.

    coterie store, format 2
    {"cluster": …, "node": …, "salt": …, "store_id": …}
    <CRC-32 of the lines above, 8 hex digits>

The version precedes everything that may change with it. Formatting creates the first segment, then the meta file under
a temporary name, and renames it as the last step: a crash before that leaves the directory "not formatted". To undo it,
for a first start that failed, the meta file is renamed as the first step, and the other files are removed after that.
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
    MetaFileMissing,
    NotFormatted,
    StorageDamaged,
    UnsupportedFormat,
    WrongStore,
)
from coterie.runtime.hosts.host import Disk, Host
from coterie.runtime.storage.history.high_water import HIGH_WATER_NAME
from coterie.runtime.storage.segment_files import create_segment, is_pristine, segment_names
from coterie.runtime.storage.snapshots.snapshot_files import has_snapshots, snapshot_file_names
from coterie.runtime.storage.space.disk_reserve import RESERVE_NAME

__all__ = [
    "FORMAT_VERSION",
    "StoreMeta",
    "check_owner",
    "decode_meta",
    "encode_meta",
    "format_store",
    "lock_store",
    "meta_path",
    "new_store_id",
    "read_meta",
    "undo_format",
]

FORMAT_VERSION = 2
"""The version of everything in a data directory, the records of the groups included. Raise it when any of it changes.

Format 2: log entries with a format byte, kind and stamp; a versioned register for each group.
"""

_TITLE = "coterie store, format "
_LOCK = "lock"
_META = "meta"
_META_NEW = "meta.new"
_META_UNDONE = "meta.undone"


@dataclass(frozen=True, slots=True)
class StoreMeta:
    """The identity of a store. `salt` seeds all its checksums (32 bits); `store_id` is 32 hex digits.

    `joins`: it was formatted for a node that joins groups, and founds none of those that its topology declared then.
    """

    cluster: str
    node: str
    salt: int
    store_id: str
    joins: bool = False


def new_store_id(host: Host) -> str:
    """Return a random store id: 32 hex digits."""
    return f"{host.random.getrandbits(128):032x}"


async def format_store(
    host: Host, path: str, *, cluster: str, node: str, store_id: str | None = None, joins: bool = False
) -> str:
    """Make an empty store for `node` of `cluster` in the directory `path` (created if missing); return its store id.

    `store_id`: what `new_store_id` returned; None: a new one. `joins`: see `StoreMeta`. Run once for each node,
    explicitly: a node that lost its data must not come back under its old name.

    Raises:
        AlreadyFormatted: There is a store already.
        MetaFileMissing: There are segments that an interrupted formatting does not explain.
        DataDirectoryInUse: Another process holds the lock.
        ValueError: `cluster` or `node` is empty.
    """
    if not cluster or not node:
        raise ValueError("cluster and node must not be empty")
    store_id = store_id or new_store_id(host)
    meta = StoreMeta(cluster, node, host.random.getrandbits(32), store_id, joins)
    await host.executor.run_disk(lambda: _format(host.disk, path, meta))
    return store_id


async def undo_format(host: Host, path: str, store_id: str) -> None:
    """Remove the store that `format_store` made as `store_id`, so that the directory can be formatted again.

    For a start that fails before the node has taken part in anything: what the store holds is lost.

    Raises:
        DataDirectoryInUse: The store is open.
        WrongStore, NotFormatted: Another store, or none, is there; nothing was changed.
    """
    await host.executor.run_disk(lambda: _undo_format(host.disk, path, store_id))


def lock_store(disk: Disk, path: str) -> Callable[[], None]:
    """Lock the data directory; return the function that unlocks it. `DataDirectoryInUse` if it is locked.

    The meta file is locked, too, if there is one: the file `lock` is easily taken for stale, and removed.
    """
    locked = contextlib.ExitStack()
    try:
        locked.callback(disk.lock(os.path.join(path, _LOCK)))
        if disk.exists(meta_path(path)):
            locked.callback(disk.lock(meta_path(path)))
    except BaseException as error:
        locked.close()
        if isinstance(error, BlockingIOError):
            raise DataDirectoryInUse(path) from error
        raise
    return locked.close


def meta_path(path: str) -> str:
    """Return the path of the meta file of the data directory `path`."""
    return os.path.join(path, _META)


def read_meta(disk: Disk, path: str) -> StoreMeta:
    """Read the meta file of the data directory `path`.

    Raises:
        NotFormatted: There is no store.
        MetaFileMissing: There was one: its segments are still there.
        UnsupportedFormat, StorageDamaged: The file cannot be read.
    """
    name = meta_path(path)
    if not disk.exists(name):
        _refuse_segments(disk, path)
        raise NotFormatted(path)
    with contextlib.closing(disk.open(name)) as file:
        return decode_meta(file.read_at(0, file.size()), name)


def check_owner(meta: StoreMeta, path: str, *, cluster: str, node: str) -> None:
    """`WrongStore` unless the store belongs to this node of this cluster."""
    if (meta.cluster, meta.node) != (cluster, node):
        raise WrongStore(path, expected=(cluster, node), found=(meta.cluster, meta.node))


def encode_meta(meta: StoreMeta) -> bytes:
    """Return the bytes of the meta file."""
    fields = {name: value for name, value in asdict(meta).items() if (name, value) != ("joins", False)}
    text = f"{_TITLE}{FORMAT_VERSION}\n{json.dumps(fields, sort_keys=True)}\n".encode()
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
        create_segment(disk, path, 1, meta.salt).file.close()
        _write_meta(disk, path, meta)
    finally:
        unlock()


def _refuse_formatted(disk: Disk, path: str) -> None:
    if disk.exists(os.path.join(path, _META)):
        raise AlreadyFormatted(path)
    _refuse_segments(disk, path)


def _refuse_segments(disk: Disk, path: str) -> None:
    """`MetaFileMissing` if there is what formatting, or undoing it, cannot have left without a meta file."""
    try:
        is_fine = not disk.exists(path) or disk.exists(os.path.join(path, _META_UNDONE))
        is_fine = is_fine or (is_pristine(disk, path) and not has_snapshots(disk, path))
    except NotADirectoryError:
        return  # a file has no segments
    if not is_fine:
        raise MetaFileMissing(path)


def _remove_leftovers(disk: Disk, path: str) -> None:
    """Remove what an interrupted formatting, or undoing of it, has left: the sign that it was undone goes last."""
    logs = [*segment_names(disk, path), *snapshot_file_names(disk, path)]
    for names in ([*logs, _META_NEW, HIGH_WATER_NAME, RESERVE_NAME], [_META_UNDONE]):
        for name in names:
            if disk.exists(os.path.join(path, name)):
                disk.remove(os.path.join(path, name))
        disk.sync_directory(path)


def _undo_format(disk: Disk, path: str, store_id: str) -> None:
    unlock = lock_store(disk, path)
    try:
        meta = read_meta(disk, path)
        if meta.store_id != store_id:
            raise WrongStore(path, expected=(meta.cluster, store_id), found=(meta.cluster, meta.store_id))
        disk.rename(meta_path(path), os.path.join(path, _META_UNDONE))
        disk.sync_directory(path)
        _remove_leftovers(disk, path)
    finally:
        unlock()


def _write_meta(disk: Disk, path: str, meta: StoreMeta) -> None:
    with contextlib.closing(disk.open(os.path.join(path, _META_NEW), create=True)) as file:
        file.write_at(0, encode_meta(meta))
        file.sync()
    disk.rename(os.path.join(path, _META_NEW), os.path.join(path, _META))
    disk.sync_directory(path)
