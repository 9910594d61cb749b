"""`GroupFacts`: holds what a group knows about itself: its incarnation, log base, members and schemas.

It is kept in the group's register, beside term and vote, and changes with the log: an entry that changes a fact takes
effect when it is appended (dissertation §4.1), and no longer counts when it is truncated. Truncation can drop only the
last membership and the last schema, since a leader appends the next one only once the last is committed; so the last
two of each are kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition

__all__ = ["INCARNATION_BYTES", "GroupFacts", "changes_facts"]

INCARNATION_BYTES = 16
FOUNDING_FORMAT = 1
KEPT = 2
"""How many memberships and schemas are kept."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """The facts of one group as one node's log has them.

    Attributes:
        incarnation: 16 bytes that tell this group from one of the same name that was founded or restored at another
            time; empty before the founding.
        founders: the members at index 0; None before the founding.
        base: the position before the first entry of the log; a snapshot holds everything up to it.
        memberships: the last two, with the indexes of their entries, ascending; the last one is effective. The founders
            have index 0.
        schemas: the indexes of the last two schema entries, ascending.
    """

    incarnation: bytes = b""
    founders: Membership | None = None
    base: LogPosition = LogPosition(LogIndex(0))  # noqa: RUF009 (immutable)
    memberships: tuple[tuple[LogIndex, Membership], ...] = ()
    schemas: tuple[LogIndex, ...] = ()

    @classmethod
    def founding(cls, cluster: str, group: str, founders: Membership) -> GroupFacts:
        """Return the facts of a new group. Its incarnation follows from the arguments: founders start independently."""
        text = json.dumps([FOUNDING_FORMAT, cluster, group, founders.encode().decode()])
        incarnation = hashlib.sha256(text.encode()).digest()[:INCARNATION_BYTES]
        return cls(incarnation, founders, memberships=((LogIndex(0), founders),))

    @property
    def is_founded(self) -> bool:
        """Whether this is what a group knows, not the emptiness before it."""
        return self.founders is not None

    @property
    def membership(self) -> Membership:
        """The effective membership. ValueError before the founding."""
        if not self.memberships:
            raise ValueError("the group is not founded: its register names no members")
        return self.memberships[-1][1]

    @property
    def membership_index(self) -> LogIndex:
        """The index of the entry of the effective membership."""
        return self.memberships[-1][0] if self.memberships else LogIndex(0)

    def with_entry(self, entry: Entry) -> GroupFacts:
        """Return the facts after `entry` was appended. ValueError if it is a membership entry and malformed."""
        if entry.kind is EntryKind.MEMBERSHIP:
            added = (entry.index, Membership.decode(entry.command))
            return replace(self, memberships=(*self.memberships, added)[-KEPT:])
        if entry.kind is EntryKind.SCHEMA:
            return replace(self, schemas=(*self.schemas, entry.index)[-KEPT:])
        return self

    def truncated_from(self, index: LogIndex) -> GroupFacts:
        """Return the facts after the entry `index` and all after it were dropped; itself if none of them matters."""
        memberships = tuple(each for each in self.memberships if each[0] < index)
        schemas = tuple(each for each in self.schemas if each < index)
        if (memberships, schemas) == (self.memberships, self.schemas):
            return self
        return replace(self, memberships=memberships, schemas=schemas)


def changes_facts(entry: Entry) -> bool:
    """Return whether appending or dropping `entry` changes the facts of its group."""
    return entry.kind is EntryKind.MEMBERSHIP or entry.kind is EntryKind.SCHEMA
