"""`MemberTable`: keeps the newest record of each member, and decides which record supersedes which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.detection.swim.swim_messages import MemberRecord

__all__ = ["MemberTable", "supersedes"]

_RANK: Final = {MemberState.ALIVE: 0, MemberState.SUSPECTED: 1, MemberState.FAILED: 2, MemberState.LEFT: 2}
"""Under one incarnation a record supersedes those of lower rank (SWIM §4.2)."""


def supersedes(new: MemberRecord, old: MemberRecord) -> bool:
    """Return whether `new` is newer than `old`, a record of the same member.

    A higher incarnation always wins, a lower one never. (SWIM §4.2 lets Confirm win over every incarnation; here, as
    in memberlist, a failed member comes back by raising its incarnation, so that a healed partition heals.)
    """
    if new.incarnation != old.incarnation:
        return new.incarnation > old.incarnation
    return _RANK[new.state] > _RANK[old.state]


class MemberTable:
    """The records of all members, this one included.

    Args:
        initial: the records to begin with, by member. It is copied; its records are shared.
    """

    __slots__ = ("_records", "active")

    def __init__(self, initial: Mapping[NodeId, MemberRecord]) -> None:
        self._records = dict(initial)
        self.active = sum(_is_active(record.state) for record in initial.values())
        """How many members, this one included, have neither failed nor left: the n of the formulas."""

    def __contains__(self, node: object) -> bool:
        """Return whether `node` is a member."""
        return node in self._records

    def __len__(self) -> int:
        """Return the number of members, in whatever state."""
        return len(self._records)

    def __iter__(self) -> Iterator[MemberRecord]:
        """Iterate over all records."""
        return iter(self._records.values())

    def __getitem__(self, node: NodeId) -> MemberRecord:
        """Return the record of `node`; KeyError names an unknown one."""
        return self._records[node]

    def get(self, node: NodeId) -> MemberRecord | None:
        """Return the record of `node`, or None."""
        return self._records.get(node)

    def is_active(self, node: NodeId) -> bool:
        """Return whether `node` is a member that has neither failed nor left."""
        record = self._records.get(node)
        return record is not None and _is_active(record.state)

    def put(self, record: MemberRecord) -> None:
        """Keep `record` in the place of the present one of its member."""
        old = self._records.get(record.node)
        self.active += _is_active(record.state) - (old is not None and _is_active(old.state))
        self._records[record.node] = record


def _is_active(state: MemberState) -> bool:
    return state is MemberState.ALIVE or state is MemberState.SUSPECTED
