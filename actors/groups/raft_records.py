"""Raft records: encodes and decodes the durable state of Raft for the log store: log entries and the group's register.

    entry     format (1 byte), kind (1 byte), stamp in ms (8 bytes), command
    register  format (1 byte), JSON: term, vote, incarnation, founders, log base, last two memberships, schemas, and the
              snapshot from which the state machine begins, if there is one

The term of an entry is the tag of its record. The register is the metadata of the group.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any, Final, TypeVar

from coterie.actors.groups.compaction.group_snapshots import read_manifest
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.runtime.storage.log_store import GroupState, LogStore, Record, Write

__all__ = [
    "decode_register",
    "encode_register",
    "entries_of",
    "read_restored",
    "register_of",
    "restored_from",
    "write_of",
]

ENTRY_FORMAT: Final = 1
REGISTER_FORMAT: Final = 1
"""The versions of the two encodings. A change of either also raises the format version of the data directory."""

_HEADER = struct.Struct(">BBQ")
_KINDS = {kind.value: kind for kind in EntryKind}

T = TypeVar("T")


# --- writing


def write_of(group: str, write: LogWrite) -> Write:
    """Return the store's form of one of Raft's writes."""
    pack = _HEADER.pack
    return Write(
        group,
        metadata=None if write.hard_state is None else encode_register(write.hard_state),
        truncate_from=write.truncate_from,
        first=write.entries[0].index if write.entries else 0,
        records=[
            Record(term, pack(ENTRY_FORMAT, kind, stamp_ms) + command)
            for _, term, kind, command, stamp_ms in write.entries
        ],
    )


def encode_register(register: HardState) -> bytes:
    """Encode term, vote and the facts of the group; of its schemas only the indexes: their contents are in the log."""
    facts = register.facts
    record = {
        "term": register.term,
        "voted_for": register.voted_for,
        "incarnation": facts.incarnation.hex(),
        "founders": None if facts.founders is None else json.loads(facts.founders.encode()),
        "base": list(facts.base),
        "memberships": [[index, json.loads(membership.encode())] for index, membership in facts.memberships],
        "schemas": [index for index, _ in facts.schemas],
        "committed_schema": facts.committed_schema,
    }
    if facts.snapshot is not None:
        snapshot = facts.snapshot
        record["snapshot"] = [*snapshot.position, snapshot.stamp_ms, snapshot.size_bytes, snapshot.digest.hex()]
    return bytes((REGISTER_FORMAT,)) + _json(record)


# --- reading


async def read_restored(store: LogStore, group: str) -> Restored:
    """Return what Raft starts from, after every write that was submitted before this call.

    A log that begins before the register's base was about to be shortened when the last life ended: that is done now.

    Raises:
        UnsupportedFormat: the register or the last entry has another format or kind.
        InvariantViolated: it cannot be decoded, or the log begins after the register's base.
    """
    state = await store.state(group)
    first_index = register_of(group, state).facts.base.index + 1
    if state.first < first_index:
        store.drop_before(group, first_index)
        state = await store.state(group)
    last = await store.read(group, state.last, state.last, 1) if state.last >= state.first else []
    return await _with_schemas(store, group, state, restored_from(group, state, last))


async def _with_schemas(store: LogStore, group: str, state: GroupState, restored: Restored) -> Restored:
    """Return `restored` with the contents of the schema entries that its register names: in the log or the snapshot."""
    facts, schemas = restored.hard_state.facts, []
    covered: dict[LogIndex, bytes] = {}
    if facts.snapshot is not None and any(index < state.first for index, _ in facts.schemas):
        covered = dict((await read_manifest(store, group, facts.snapshot)).facts.schemas)
    for index, content in facts.schemas:
        if state.first <= index <= state.last:
            (entry,) = entries_of(group, index, await store.read(group, index, index, 1))
            if entry.kind is not EntryKind.SCHEMA:
                raise InvariantViolated(f"entry {index} of group {group!r} is no schema, but its register says so")
            content = entry.command
        schemas.append((index, covered.get(index, content)))
    if tuple(schemas) == facts.schemas:
        return restored
    return replace(restored, hard_state=replace(restored.hard_state, facts=replace(facts, schemas=tuple(schemas))))


def restored_from(group: str, state: GroupState, last: list[Record]) -> Restored:
    """Return what Raft starts from, given the state of the group in the store and its last record, if there is one.

    Raises:
        UnsupportedFormat, InvariantViolated: as `read_restored`.
    """
    register = register_of(group, state)
    if state.first != register.facts.base.index + 1:
        raise InvariantViolated(
            f"the log of group {group!r} begins at {state.first}, but its register has the base {register.facts.base}"
        )
    snapshot = register.facts.snapshot
    if snapshot is not None and state.last < snapshot.position.index:
        raise InvariantViolated(f"the log of group {group!r} ends at {state.last}, before its snapshot {snapshot}")
    return Restored(
        register,
        tuple((LogIndex(first), Term(tag)) for first, tag in state.tags),
        LogIndex(state.last),
        entries_of(group, state.last, last)[0].stamp_ms if last else snapshot.stamp_ms if snapshot else 0,
    )


def register_of(group: str, state: GroupState) -> HardState:
    """Return the register of the group; an empty one if the group was never founded here."""
    return HardState(Term(0), None) if state.metadata is None else decode_register(group, state.metadata)


def entries_of(group: str, first: int, records: list[Record]) -> tuple[Entry, ...]:
    """Decode the entries of `group` from index `first` on.

    Raises:
        UnsupportedFormat: an entry has another format, or a kind that this release does not know.
        InvariantViolated: a record is too short for an entry.
    """
    return tuple(_entry(group, index, record) for index, record in enumerate(records, first))


def _entry(group: str, index: int, record: Record) -> Entry:
    body = record.body
    if body and body[0] != ENTRY_FORMAT:
        raise UnsupportedFormat(
            f"entry {index} of group {group}", found=body[0], supported=ENTRY_FORMAT, part="entry format"
        )
    if len(body) < _HEADER.size:
        raise InvariantViolated(f"record {index} of group {group!r} is no log entry: {body!r}")
    _, number, stamp_ms = _HEADER.unpack_from(body)
    kind = _KINDS.get(number)
    if kind is None:
        known = f"{min(_KINDS)} to {max(_KINDS)}"
        raise UnsupportedFormat(f"entry {index} of group {group}", found=number, supported=known, part="entry kind")
    return Entry(LogIndex(index), Term(record.tag), kind, body[_HEADER.size :], stamp_ms)


def decode_register(group: str, data: bytes) -> HardState:
    """Decode what `encode_register` made.

    Raises:
        UnsupportedFormat: it has another format.
        InvariantViolated: it is no register.
    """
    if data and data[0] != REGISTER_FORMAT:
        raise UnsupportedFormat(
            f"the register of group {group}", found=data[0], supported=REGISTER_FORMAT, part="register format"
        )
    try:
        register = _register(_exact(dict, json.loads(data[1:])))
        if encode_register(register) != data:
            raise ValueError("it differs from its own encoding")
        return register
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        text = f"metadata of {len(data)} bytes is no register of group {group!r}: {error!r}, found {data[:64]!r}"
        raise InvariantViolated(text) from error


def _register(record: dict[str, Any]) -> HardState:
    voted_for, founders = record["voted_for"], record["founders"]
    index, term = _exact(list, record["base"])
    facts = GroupFacts(
        bytes.fromhex(_exact(str, record["incarnation"])),
        None if founders is None else _membership(founders),
        LogPosition(LogIndex(_exact(int, index)), Term(_exact(int, term))),
        tuple((LogIndex(_exact(int, at)), _membership(found)) for at, found in _exact(list, record["memberships"])),
        tuple((LogIndex(_exact(int, at)), b"") for at in _exact(list, record["schemas"])),
        LogIndex(_exact(int, record["committed_schema"])),
        _snapshot(record["snapshot"]) if "snapshot" in record else None,
    )
    vote = None if voted_for is None else NodeId(_exact(str, voted_for))
    return HardState(Term(_exact(int, record["term"])), vote, facts)


def _snapshot(record: object) -> SnapshotId:
    index, term, stamp_ms, size_bytes, digest = _exact(list, record)
    position = LogPosition(LogIndex(_exact(int, index)), Term(_exact(int, term)))
    return SnapshotId(position, _exact(int, stamp_ms), _exact(int, size_bytes), bytes.fromhex(_exact(str, digest)))


def _membership(record: object) -> Membership:
    return Membership.decode(_json(record))


def _json(record: object) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()


def _exact(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value
