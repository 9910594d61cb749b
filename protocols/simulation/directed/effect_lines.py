"""`EffectLines`: describes events and effects of Raft nodes as lines of text, for transcripts of directed schedules.

An entry is written `index@term` and its command; `4@2 no-op` is the first entry of the leader of term 2. Fields of
messages have their own names; those that have their default are left out, and so is what is drawn: stamps, the numbers
of questions, the bytes and digests of snapshots.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, fields

from coterie.protocols.algorithm import NodeId, Observe, Persist, Received, Send
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft_effects import ChangeEnded, RaftEffect, RaftEvent, TransferEnded
from coterie.protocols.raft.raft_messages import HardState, LogWrite, RaftMessage
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import LoadChunk, RestoreMachine, StoreChunk
from coterie.protocols.replicated_log import Apply, Entry, EntryKind, Load, LogIndex, LogPosition, ReadReady, Reject

__all__ = ["EffectLines", "entry_text"]

_NO_FACTS = GroupFacts()
_HIDDEN = ("digest", "number")
_OBSERVED_ANYWAY = ("node",)


def entry_text(entry: Entry) -> str:
    """Return an entry in one word or a few."""
    place = f"{entry.index}@{entry.term}"
    match entry.kind:
        case EntryKind.COMMAND:
            return f"{place} {entry.command.decode(errors='backslashreplace')}"
        case EntryKind.NOOP:
            return f"{place} no-op"
        case EntryKind.MEMBERSHIP:
            return f"{place} members {_members_text(Membership.decode(entry.command))}"
        case _:
            return f"{place} {entry.kind.name.lower()}"


class EffectLines:
    """Describes what the nodes of one group do. It remembers what each has written, to show what has changed."""

    def __init__(self) -> None:
        self._written: dict[NodeId, HardState] = {}

    def begin(self, node: NodeId, hard_state: HardState) -> None:
        """Note what the disk of `node` holds before its first effect."""
        self._written[node] = hard_state

    def line(self, node: NodeId, item: RaftEvent | RaftEffect) -> str | None:
        """Return the line for an event that `node` takes, or for its effect; None for one that shows nothing new."""
        match item:
            case Received(sender, message):
                return f"{node} gets {type(message).__name__} from {sender}"
            case Send(to, message):
                return f"{node} -> {to} {_message_text(message)}"
            case Persist(_, write):
                return f"{node} writes {self._write_text(node, write)}"
            case Observe(event, facts):
                told = [f"{name}={_value_text(facts[name])}" for name in sorted(facts) if name not in _OBSERVED_ANYWAY]
                return " ".join([f"{node} observes {event}", *told])
            case Apply(entries, refs):
                answered = f", answers {_listed(refs.values())}" if refs else ""
                return f"{node} applies {_entries_text(entries)}{answered}"
            case _:
                return _rare_line(node, item)

    def _write_text(self, node: NodeId, write: LogWrite) -> str:
        parts: list[str] = []
        if write.hard_state is not None:
            parts += _changes(self._written.get(node), write)
            self._written[node] = write.hard_state
        if write.truncate_from is not None:
            parts.append(f"truncate_from={write.truncate_from}")
        if write.entries:
            parts.append(f"entries=[{_entries_text(write.entries)}]")
        if write.drop_before is not None:
            parts.append(f"drop_before={write.drop_before}")
        return " ".join(parts) or "what it has written"


def _rare_line(node: NodeId, item: RaftEvent | RaftEffect) -> str | None:
    match item:
        case Load(reader, first, last):
            return f"{node} loads {first} to {last} for {reader}"
        case ReadReady(refs):
            return f"{node} may answer the reads {_listed(refs)}"
        case Reject(ref, reason, leader):
            return f"{node} rejects {ref}: {reason.value}" + (f", the leader is {leader}" if leader else "")
        case TransferEnded(ref, is_done, reason):
            return f"{node} ends the transfer {ref}: {'done' if is_done else reason}"
        case ChangeEnded(ref, is_done, reason):
            return f"{node} ends the change {ref}: {'done' if is_done else reason}"
        case LoadChunk(reader, _, offset):
            return f"{node} reads the chunk at {offset} for {reader}"
        case StoreChunk(snapshot, offset, data):
            return f"{node} stores the chunk at {offset} ({len(data)} bytes) of {_value_text(snapshot)}"
        case RestoreMachine(snapshot):
            return f"{node} restores its state machine from {_value_text(snapshot)}"
        case _:
            return None


def _changes(before: HardState | None, write: LogWrite) -> list[str]:
    """Return what a write changes in the register, and its entries do not show."""
    after, parts = write.hard_state, list[str]()
    if after is None:
        return parts
    if before is None or (before.term, before.voted_for) != (after.term, after.voted_for):
        parts.append(f"term={after.term} voted_for={after.voted_for or 'nobody'}")
    old, new = _NO_FACTS if before is None else before.facts, after.facts
    if new.base != old.base:
        parts.append(f"base={_value_text(new.base)}")
    if new.snapshot is not None and new.snapshot != old.snapshot:
        parts.append(f"snapshot={_value_text(new.snapshot)}")
    index, membership = new.memberships[-1] if new.memberships else (None, None)
    if membership is not None and new.memberships[-1:] != old.memberships[-1:] and index not in _indexes(write):
        parts.append(f"members=[{_members_text(membership)}] of {index}")
    return parts


def _indexes(write: LogWrite) -> list[LogIndex]:
    return [entry.index for entry in write.entries]


def _message_text(message: RaftMessage) -> str:
    words = [type(message).__name__]
    for field in fields(message):
        value: object = getattr(message, field.name)
        is_default = field.default is not MISSING and value == field.default
        if not is_default and field.name not in _HIDDEN:
            words.append(f"{field.name}={_value_text(value)}")
    return " ".join(words)


def _value_text(value: object) -> str:
    """Return a field of a message or a fact of an observation."""
    match value:
        case Entry():
            return entry_text(value)
        case LogPosition(index, term):
            return f"{index}@{term}"
        case SnapshotId(position, _, size_bytes):
            return f"snapshot {_value_text(position)} ({size_bytes} bytes)"
        case bytes():
            return f"({len(value)} bytes)"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}"
        case tuple():
            return f"[{', '.join(map(_value_text, value))}]"
        case _:
            return str(value)


def _entries_text(entries: Iterable[Entry]) -> str:
    return ", ".join(map(entry_text, entries))


def _members_text(membership: Membership) -> str:
    return ", ".join(f"{member.store_id or member.node} {member.role.value}" for member in membership.members)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))
