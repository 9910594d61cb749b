"""`GroupFacts`: holds what a group knows about itself: its incarnation, log base, members and schemas.

It is kept in the group's register, beside term and vote, and changes with the log: an entry that changes a fact takes
effect when it is appended (dissertation §4.1), and no longer counts when it is truncated. Truncation can drop only the
last membership and the last schema, since a leader appends the next one only once the last is committed; so the last
two of each are kept. The first schema is kept, too: code that only adds to it, and to which the last one only adds, is
older code of this group, not a mistake.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import INCARNATION_BYTES, Entry, EntryKind, LogIndex, LogPosition

__all__ = ["GroupFacts", "changes_facts"]

FOUNDING_FORMAT = 1
MEMBERSHIP, SCHEMA = EntryKind.MEMBERSHIP, EntryKind.SCHEMA  # looked up once: this runs for every entry
KEPT = 2
"""How many of the last memberships and schemas are kept."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The facts of one group as one node's log has them.

    Attributes:
        incarnation: 16 bytes that tell this group from one of the same name that was founded or restored at another
            time; empty before the founding.
        founders: the members at index 0; None before the founding, and on a store that joined and was not told.
        base: the position before the first entry of the log; the snapshot holds everything up to it, and mostly more.
        memberships: the last two, with the indexes of their entries, ascending; the last one is effective. The founders
            have index 0. None on a store that has just joined.
        schemas: the first schema and the last two, as (index of the entry, content), ascending; the last one is that of
            the entries after it. The contents are opaque here.
        committed_schema: the highest index of a schema entry that this node knows to be committed; 0: of none.
        snapshot: the snapshot from which the state machine begins; None: it begins empty, at the base.
    """

    incarnation: bytes = b""
    founders: Membership | None = None
    base: LogPosition = LogPosition(LogIndex(0))  # noqa: RUF009 (immutable)
    memberships: tuple[tuple[LogIndex, Membership], ...] = ()
    schemas: tuple[tuple[LogIndex, bytes], ...] = ()
    committed_schema: LogIndex = LogIndex(0)
    snapshot: SnapshotId | None = None

    @classmethod
    def founding(cls, cluster: str, group: str, founders: Membership) -> GroupFacts:
        """Return the facts of a new group. Its incarnation follows from the arguments: founders start independently."""
        text = json.dumps([FOUNDING_FORMAT, cluster, group, founders.encode().decode()])
        incarnation = hashlib.sha256(text.encode()).digest()[:INCARNATION_BYTES]
        return cls(incarnation, founders, memberships=((LogIndex(0), founders),))

    @classmethod
    def joining(
        cls,
        incarnation: bytes,
        founders: Membership | None = None,
        base: LogPosition = LogPosition(LogIndex(0)),  # noqa: B008 (immutable)
    ) -> GroupFacts:
        """Return the facts of a store that is to join the group `incarnation`: it knows no members yet.

        `base`: of the snapshot with which it begins, if there is one.
        """
        return cls(incarnation, founders, base)

    @property
    def is_founded(self) -> bool:
        """Whether this is what a group knows, not the emptiness before it."""
        return bool(self.incarnation)

    @property
    def membership(self) -> Membership:
        """The effective membership. ValueError before the founding."""
        if not self.memberships:
            raise ValueError("the group is not founded: its register names no members")
        return self.memberships[-1][1]

    @property
    def known_membership(self) -> Membership | None:
        """The effective membership; None: this store has joined, and has not heard of any."""
        return self.memberships[-1][1] if self.memberships else None

    @property
    def known_members(self) -> tuple[Member, ...]:
        """The members of the effective membership; none before any is known."""
        return self.memberships[-1][1].members if self.memberships else ()

    @property
    def known_voters(self) -> tuple[NodeId, ...]:
        """The nodes of its voters; none before any is known."""
        return self.memberships[-1][1].voters if self.memberships else ()

    def store_of(self, node: str) -> StoreId | None:
        """Return the store to which the log binds the member on `node`; None: to none. See `Membership.store_of`."""
        return self.memberships[-1][1].store_of(node) if self.memberships else None

    @property
    def former_nodes(self) -> tuple[NodeId, ...]:
        """The nodes of all memberships that are remembered: the founders and the last two."""
        known = [membership for _, membership in self.memberships]
        known += [] if self.founders is None else [self.founders]
        return tuple(dict.fromkeys(node for membership in known for node in membership.nodes))

    @property
    def membership_index(self) -> LogIndex:
        """The index of the entry of the effective membership."""
        return self.memberships[-1][0] if self.memberships else LogIndex(0)

    @property
    def schema_index(self) -> LogIndex:
        """The index of the last schema entry, 0 if there is none."""
        return self.schemas[-1][0] if self.schemas else LogIndex(0)

    def with_committed_schema(self, index: LogIndex) -> GroupFacts:
        """Return the facts once the schema entry at `index` is known to be committed; itself if it was."""
        return replace(self, committed_schema=index) if index > self.committed_schema else self

    def with_entry(self, entry: Entry) -> GroupFacts:
        """Return the facts after `entry` was appended. ValueError if it is a membership entry and malformed."""
        if entry.kind is MEMBERSHIP:
            added = (entry.index, Membership.decode(entry.command))
            return replace(self, memberships=(*self.memberships, added)[-KEPT:])
        if entry.kind is SCHEMA:
            schemas = (*self.schemas, (entry.index, entry.command))
            return replace(self, schemas=schemas if len(schemas) <= KEPT else (schemas[0], *schemas[-KEPT:]))
        return self

    def as_of(self, position: LogPosition) -> GroupFacts | None:
        """Return the facts at a committed position, for its snapshot; None if the members then are not known now."""
        past = self.truncated_from(LogIndex(position.index + 1))
        if not past.memberships:
            return None
        committed = past.schema_index
        return replace(
            past, base=position, memberships=past.memberships[-1:], committed_schema=committed, snapshot=None
        )

    def with_snapshot(self, snapshot: SnapshotId, base: LogPosition) -> GroupFacts:
        """Return the facts once `snapshot` is durable, and the entries up to `base` go."""
        return replace(self, snapshot=snapshot, base=base)

    def installed(self, past: GroupFacts, snapshot: SnapshotId, *, keeps_later: bool) -> GroupFacts:
        """Return the facts once a leader's `snapshot` takes the place of entries. `past`: the facts as of its position.

        `keeps_later`: the log agrees with the snapshot, so the entries after it stay.
        """
        position = snapshot.position
        memberships, schemas = past.memberships, past.schemas
        if keeps_later:
            memberships += tuple(each for each in self.memberships if each[0] > position.index)
            schemas += tuple(each for each in self.schemas if each[0] > position.index)
        return replace(
            past,
            base=position,
            memberships=memberships[-KEPT:],
            schemas=schemas if len(schemas) <= KEPT else (schemas[0], *schemas[-KEPT:]),
            committed_schema=max(past.committed_schema, self.committed_schema if keeps_later else LogIndex(0)),
            snapshot=snapshot,
        )

    def truncated_from(self, index: LogIndex) -> GroupFacts:
        """Return the facts after the entry `index` and all after it were dropped; itself if none of them matters."""
        memberships = tuple(each for each in self.memberships if each[0] < index)
        schemas = tuple(each for each in self.schemas if each[0] < index)
        if (memberships, schemas) == (self.memberships, self.schemas):
            return self
        return replace(self, memberships=memberships, schemas=schemas)


def changes_facts(entry: Entry) -> bool:
    """Return whether appending or dropping `entry` changes the facts of its group."""
    return entry.kind is MEMBERSHIP or entry.kind is SCHEMA
