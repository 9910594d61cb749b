"""How Raft's durable state lies in a log store: entries as records tagged with their term, a register."""

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
        register=None if write.hard_state is None else encode_register(write.hard_state),
        truncate_from=write.truncate_from,
        first=write.entries[0].index if write.entries else 0,
        records=[Record(entry.term, _PREFIXES[entry.kind] + entry.command) for entry in write.entries],
    )


def entries_of(first: int, records: list[Record]) -> tuple[Entry, ...]:
    """Return the entries that lie at position `first` and after. InvariantViolated if one has an unknown kind."""
    return tuple(_entry(index, record) for index, record in enumerate(records, first))


def _entry(index: int, record: Record) -> Entry:
    kind = _KINDS.get(record.body[0]) if record.body else None
    if kind is None:
        raise InvariantViolated(f"log entry {index} has no known kind: {record.body[:16]!r}")
    return Entry(LogIndex(index), Term(record.tag), kind, record.body[1:])


def restored_from(state: GroupState) -> Restored:
    """Return what Raft needs to know of what the store held."""
    return Restored(
        hard_state=HardState(Term(0), None) if state.register is None else decode_register(state.register),
        terms=tuple((LogIndex(first), Term(tag)) for first, tag in state.tags),
        last_index=LogIndex(state.last),
    )


def encode_register(hard_state: HardState) -> bytes:
    """Encode term and vote."""
    voted_for = hard_state.voted_for
    return _TERM.pack(hard_state.term, voted_for is not None) + (voted_for or "").encode()


def decode_register(data: bytes) -> HardState:
    """Decode term and vote. InvariantViolated if it is none."""
    try:
        term, has_voted = _TERM.unpack_from(data)
        found = HardState(Term(term), NodeId(data[_TERM.size :].decode()) if has_voted else None)
        if encode_register(found) != data:
            raise ValueError("it is not as it was encoded")
        return found
    except (struct.error, ValueError) as error:
        raise InvariantViolated(f"a register of {len(data)} bytes is no term and vote: {data[:32]!r}") from error
