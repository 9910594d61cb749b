"""`View`: holds the members of a cluster as all its nodes have agreed on them, with a number that only grows.

A view is the state of a replicated state machine: `decide` makes the next one. It is immutable, so that a snapshot is
the object itself, and two views of one number are equal on all nodes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Member, MemberId, ViewNumber

__all__ = ["REMEMBERED_MAX", "REMEMBERED_PER_NAME", "View", "remembered"]

REMEMBERED_PER_NAME: Final = 8
"""How many removed incarnations of one name a view remembers: a node that restarts in a loop displaces only its own."""

REMEMBERED_MAX: Final = 4096
"""How many removed members a view remembers, of all names together: some 200 KB at most."""

_EMPTY: Final = ViewNumber(0)


@dataclass(frozen=True, slots=True)
class View:
    """The members of a cluster.

    Attributes:
        number: grows by one with each change. 0: the empty view, before the first member.
        members: all members, sorted by name, each name once.
        removed: identities that must not join again, in the order of their removal. Bounded (see `REMEMBERED_MAX`): a
            member that was removed long before could join again, which is safe only because a process that learns of
            its removal ends, and a join request that is this old has long been lost.

    Raises:
        ValueError: the members are not sorted, or one name is there twice.
    """

    number: ViewNumber = _EMPTY
    members: tuple[Member, ...] = ()
    removed: tuple[MemberId, ...] = ()

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if any(first >= second for first, second in pairwise(names)):
            raise ValueError(f"the members of view {self.number} must be sorted by name, each name once, not {names}")

    def __len__(self) -> int:
        """Return the number of members, in whatever state."""
        return len(self.members)

    def __iter__(self) -> Iterator[Member]:
        """Iterate over the members by name."""
        return iter(self.members)

    @property
    def up(self) -> tuple[Member, ...]:
        """The members that are up, by name: those that count. Joining, leaving and down ones do not."""
        return tuple(member for member in self.members if member.is_up)

    @property
    def present(self) -> tuple[Member, ...]:
        """The members that have not been decided out, by name: joining, up and leaving ones."""
        return tuple(member for member in self.members if not member.is_down)

    def member(self, name: NodeId) -> Member | None:
        """Return the member of this name; None if there is none. O(log n)."""
        at = bisect_left(self.members, name, key=lambda member: member.name)
        found = self.members[at] if at < len(self.members) else None
        return found if found is not None and found.name == name else None

    def find(self, identity: MemberId) -> Member | None:
        """Return the member of this name and incarnation; None if there is none, or it is another life."""
        found = self.member(identity.name)
        return found if found is not None and found.incarnation == identity.incarnation else None


def remembered(removed: tuple[MemberId, ...], identity: MemberId) -> tuple[MemberId, ...]:
    """Return `removed` with one identity more, without the oldest ones beyond the bounds."""
    others = [known for known in removed if known != identity]
    of_this_name = [known for known in others if known.name == identity.name]
    if len(of_this_name) >= REMEMBERED_PER_NAME:
        others.remove(of_this_name[0])
    return (*others, identity)[-REMEMBERED_MAX:]
