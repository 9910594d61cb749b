"""`inspect_store`: reads the log in a node's data directory; it changes nothing and takes no lock, so the node may run.

Every byte of the segments is checked, as at a start. What a running node writes meanwhile may be missing, and a batch
that it is just writing looks like a torn tail. The files are read again if one of them was removed meanwhile.
"""

from __future__ import annotations

import contextlib
import os.path
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgpack

from coterie.actors.groups.raft_records import entries_of, register_of
from coterie.actors.paxos.synod_records import decode_state
from coterie.errors import InvariantViolated, StorageDamaged, UnsupportedFormat
from coterie.protocols.checkpoints import decode_checkpoint
from coterie.protocols.evolution.revisions import Revision
from coterie.protocols.paxos.synod_messages import SynodState
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import HardState
from coterie.protocols.replicated_log import Entry, EntryKind
from coterie.protocols.sessions import CommandBatch, OpenSession, decode_command
from coterie.runtime.hosts.host import Disk
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.messages.unpacking import unpack_recorded
from coterie.runtime.storage.data_directory import StoreMeta, read_meta
from coterie.runtime.storage.history.high_water import HIGH_WATER_NAME, HighWater, HighWaterFile, loss_evidence
from coterie.runtime.storage.log_recovery import ScannedLog, scan
from coterie.runtime.storage.log_store import GroupState, Record
from coterie.runtime.storage.record_index import GroupIndex, offset_of, segment_of
from coterie.runtime.storage.record_reader import read_records
from coterie.runtime.storage.segment_files import segment_names, segment_number
from coterie.runtime.storage.snapshots.snapshot_files import complete_snapshots, group_digits, snapshot_path

__all__ = ["InspectedEntry", "InspectedGroup", "InspectedSegment", "InspectedStore", "inspect_store", "members_text"]

_ATTEMPTS_MAX: Final = 5
"""How often the files are read: a running node removes segments and snapshots that it does not need any more."""

_NOT_DECODED: Final = (ValueError, TypeError, KeyError, IndexError, RecursionError, msgpack.UnpackException)


@dataclass(frozen=True, slots=True)
class InspectedSegment:
    """A segment: its number, its size up to the last whole batch, and how many batches it has.

    `batches`: None if the log is damaged; then the size is that of the file.
    """

    number: int
    size_bytes: int
    batches: int | None


@dataclass(frozen=True, slots=True)
class InspectedEntry:
    """An entry. `kind`, `stamp_ms`: None if it is none of a Raft group. `content`: what can be told of it in words.

    `confirmed_index`: of a checkpoint: up to here a quorum had applied the log; else None.
    """

    index: int
    term: int
    kind: str | None
    stamp_ms: int | None
    size_bytes: int
    content: str
    confirmed_index: int | None = None


@dataclass(frozen=True, slots=True)
class InspectedGroup:
    """A group.

    Attributes:
        name: its name in the store.
        state: positions, runs of terms, and the register as it is stored.
        register: that of a Raft group; None: it is none.
        synod: the state of a synod; None: it is none.
        schemas: of a Raft group: index, and the revision if its entry is in the log.
        snapshots: size in bytes by name.
        entries: the last ones, in order.
    """

    name: str
    state: GroupState
    register: HardState | None
    synod: SynodState | None
    schemas: tuple[tuple[int, Revision | None], ...]
    snapshots: dict[str, int]
    entries: tuple[InspectedEntry, ...]


@dataclass(slots=True)
class InspectedStore:
    """A store.

    Attributes:
        meta: its identity.
        segments: oldest first.
        damage: durable bytes that do not read back; then there are no groups.
        high_water: what the file beside the log says.
        generation: of the latest opening, as text.
        lost: why the store has lost what it had acknowledged; None: as far as can be seen, it has not.
        torn_bytes: how many bytes follow the last whole batch.
        groups: by name, in order.
    """

    meta: StoreMeta
    segments: list[InspectedSegment] = field(default_factory=list)
    damage: StorageDamaged | None = None
    high_water: HighWater = field(default_factory=HighWater)
    generation: str = ""
    lost: str | None = None
    torn_bytes: int = 0
    groups: dict[str, InspectedGroup] = field(default_factory=dict)


def inspect_store(path: str, *, entries_max: int) -> InspectedStore:
    """Read the store in the data directory `path`, with the last `entries_max` entries of each group.

    Raises:
        StorageError: there is no store, or its meta file cannot be read.
        OSError: it cannot be read.
    """
    disk = RealDisk(is_read_only=True)
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        try:
            return _inspect(disk, path, entries_max)
        except FileNotFoundError:
            if attempt == _ATTEMPTS_MAX:
                raise
    raise AssertionError("unreachable")


def _inspect(disk: Disk, path: str, entries_max: int) -> InspectedStore:
    found = InspectedStore(read_meta(disk, path))
    salt = found.meta.salt
    found.high_water = _high_water(disk, path, salt)  # first, so that no segment is older than it says
    try:
        with _scanned(disk, path, salt) as log:
            found.segments = [
                InspectedSegment(segment.number, segment.size_bytes, batches)
                for segment, batches in zip(log.segments, log.batches, strict=True)
            ]
            found.torn_bytes = log.torn_bytes
            found.generation = str(max(log.generation, found.high_water.generation, key=lambda each: each.counter))
            found.lost = loss_evidence(found.high_water, log.generation, log.segments)
            snapshots = complete_snapshots(disk, path)
            for index in sorted(log.groups, key=lambda each: each.name):
                sizes = _snapshot_sizes(disk, path, index.name, snapshots)
                found.groups[index.name] = _group(log, index, salt, sizes, entries_max)
    except StorageDamaged as damage:
        found.damage = damage
        found.segments = [
            InspectedSegment(segment_number(name), _size_bytes(disk, os.path.join(path, name)), None)
            for name in segment_names(disk, path)
        ]
        found.groups = {}
    return found


@contextlib.contextmanager
def _scanned(disk: Disk, path: str, salt: int) -> Iterator[ScannedLog]:
    log = scan(disk, path, salt)
    try:
        yield log
    finally:
        for segment in log.segments:
            segment.file.close()


def _high_water(disk: Disk, path: str, salt: int) -> HighWater:
    name = os.path.join(path, HIGH_WATER_NAME)
    if not disk.exists(name):
        return HighWater()
    with contextlib.closing(disk.open(name)) as file:
        return HighWaterFile(file, salt).latest


def _snapshot_sizes(disk: Disk, path: str, group: str, names_by_digits: dict[str, list[str]]) -> dict[str, int]:
    digits = group_digits(group)
    names = names_by_digits.get(digits, ())
    return {name: _size_bytes(disk, snapshot_path(path, digits, name)) for name in sorted(names)}


def _size_bytes(disk: Disk, path: str) -> int:
    with contextlib.closing(disk.open(path)) as file:
        return file.size()


def _group(
    log: ScannedLog, index: GroupIndex, salt: int, snapshots: dict[str, int], entries_max: int
) -> InspectedGroup:
    state = index.state()
    register, synod = _register(index.name, state), _synod(state)

    def read(first: int, last: int) -> list[Record]:
        by_number = {segment.number: segment for segment in log.segments}
        places = enumerate(index.places(first, last), first)
        targets = [(at, by_number[segment_of(place)], offset_of(place)) for at, place in places]
        return read_records(targets, index.number, 1 << 62, salt)

    schemas = () if register is None else register.facts.schemas
    first = max(state.first, state.last - entries_max + 1)
    entries = [
        _entry(index.name, at, record, is_raft=register is not None)
        for at, record in enumerate(read(first, state.last), first)
    ]
    revisions = ((at, _revision(index.name, at, read(at, at))) for at, _ in schemas)
    return InspectedGroup(index.name, state, register, synod, tuple(revisions), snapshots, tuple(entries))


def _register(group: str, state: GroupState) -> HardState | None:
    try:
        return None if state.metadata is None else register_of(group, state)
    except (InvariantViolated, UnsupportedFormat):
        return None


def _synod(state: GroupState) -> SynodState | None:
    try:
        return None if state.metadata is None else decode_state(state.metadata)
    except InvariantViolated:
        return None


def _revision(group: str, index: int, records: list[Record]) -> Revision | None:
    try:
        return Revision.decode(entries_of(group, index, records)[0].command)
    except (InvariantViolated, UnsupportedFormat, *_NOT_DECODED):
        return None


def _entry(group: str, index: int, record: Record, *, is_raft: bool) -> InspectedEntry:
    size_bytes = len(record.body)
    if not is_raft:
        return InspectedEntry(index, record.tag, None, None, size_bytes, "")
    try:
        (entry,) = entries_of(group, index, [record])
    except (InvariantViolated, UnsupportedFormat) as error:
        return InspectedEntry(index, record.tag, None, None, size_bytes, str(error))
    kind, confirmed_index = entry.kind.name.lower(), _confirmed_index(entry)
    return InspectedEntry(index, record.tag, kind, entry.stamp_ms, size_bytes, _content(entry), confirmed_index)


def _confirmed_index(entry: Entry) -> int | None:
    try:
        return decode_checkpoint(entry.command).index if entry.kind is EntryKind.CHECKPOINT else None
    except ValueError:
        return None


def _content(entry: Entry) -> str:
    """Return what an entry says, as far as that can be told without the code of its machine."""
    try:
        match entry.kind:
            case EntryKind.COMMAND:
                return _command_text(entry.command)
            case EntryKind.SCHEMA:
                revision = Revision.decode(entry.command)
                return f"revision {revision.number}, version {revision.schema.version}"
            case EntryKind.INCARNATION:
                return entry.command.hex()
            case EntryKind.MEMBERSHIP:
                return members_text(Membership.decode(entry.command))
            case _:
                return ""
    except _NOT_DECODED:
        return ""


def _command_text(command: bytes) -> str:
    """Return the wire names of the commands in an entry, each with its number if there are several."""
    decoded = decode_command(command)
    if isinstance(decoded, OpenSession):
        return "opens a session"
    payloads = map(_payload, decoded.commands) if isinstance(decoded, CommandBatch) else [_payload(command)]
    names = Counter(map(_wire_name, payloads))
    return ", ".join(name if number == 1 else f"{name} ({number})" for name, number in names.items() if name)


def _payload(command: bytes) -> bytes:
    decoded: Any = decode_command(command)
    return bytes(decoded.payload)


def _wire_name(payload: bytes) -> str:
    """Return the name of a typed command; empty if it is something else."""
    try:
        name, fields = unpack_recorded(payload)
    except _NOT_DECODED:
        return ""
    is_command = isinstance(name, str) and isinstance(fields, list | tuple)
    return name if is_command else ""


def members_text(membership: Membership) -> str:
    """Return the members of a group in words: node, role, and the beginning of the store's id."""
    return ", ".join(
        f"{member.node} ({member.role.value}, store {_short(member.store_id)})" for member in membership.members
    )


def _short(store: str | None) -> str:
    return "not known" if store is None else store[:8]
