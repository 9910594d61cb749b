"""Raft records: encodes and decodes the durable state of Raft for the log store: log entries, current term and vote."""

from __future__ import annotations

import struct

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.runtime.storage.log_store import GroupState, Record, Write

__all__ = ["entries_of", "restored_from", "write_of"]

_TERM = struct.Struct(">Q?")
_PREFIXES = {kind: bytes((kind,)) for kind in EntryKind}
_KINDS = {kind.value: kind for kind in EntryKind}


def write_of(group: str, write: LogWrite) -> Write:
    """Return the store's form of one of Raft's writes."""
    return Write(
        group,
        metadata=None if write.hard_state is None else encode_hard_state(write.hard_state),
        truncate_from=write.truncate_from,
        first=write.entries[0].index if write.entries else 0,
        records=[Record(entry.term, _PREFIXES[entry.kind] + entry.command) for entry in write.entries],
    )


def entries_of(first: int, records: list[Record]) -> tuple[Entry, ...]:
    """Decode the entries from index `first` on. InvariantViolated if one has an unknown kind."""
    return tuple(_entry(index, record) for index, record in enumerate(records, first))


def _entry(index: int, record: Record) -> Entry:
    kind = _KINDS.get(record.body[0]) if record.body else None
    if kind is None:
        raise InvariantViolated(f"log entry {index} has no known kind: {record.body[:16]!r}")
    return Entry(LogIndex(index), Term(record.tag), kind, record.body[1:])


def restored_from(state: GroupState) -> Restored:
    """Return the state that Raft starts from, given what the store holds."""
    return Restored(
        hard_state=HardState(Term(0), None) if state.metadata is None else decode_hard_state(state.metadata),
        terms=tuple((LogIndex(first), Term(tag)) for first, tag in state.tags),
        last_index=LogIndex(state.last),
    )


def encode_hard_state(hard_state: HardState) -> bytes:
    """Encode term and vote."""
    voted_for = hard_state.voted_for
    return _TERM.pack(hard_state.term, voted_for is not None) + (voted_for or "").encode()


def decode_hard_state(data: bytes) -> HardState:
    """Decode term and vote. InvariantViolated if the bytes are malformed."""
    try:
        term, has_voted = _TERM.unpack_from(data)
        found = HardState(Term(term), NodeId(data[_TERM.size :].decode()) if has_voted else None)
        if encode_hard_state(found) != data:
            raise ValueError("it differs from its own encoding")
        return found
    except (struct.error, ValueError) as error:
        raise InvariantViolated(f"metadata of {len(data)} bytes is no term and vote: {data[:32]!r}") from error
