"""`GroupMembers`: the members of a group as a client was told them: by its leader, or by a replica if none leads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from coterie.actors.groups.group_messages import GroupMember
from coterie.errors import CommandTimeout

__all__ = ["GroupHasNoLeader", "GroupMembers", "Transferred"]


VOTING: Final = ("voter", "incoming")
"""The roles of the members that vote, or are about to."""


class GroupHasNoLeader(CommandTimeout):
    """No node said in time that it leads the group; `outcome`: whether the operation may have had an effect before."""


class GroupMembers(tuple[GroupMember, ...]):  # noqa: SLOT001 (subclasses of tuple have no slots for attributes)
    """The members of a group: a tuple, and where it comes from.

    Attributes:
        leader: the node that leads, and says so; None: no node does. Then these are the members as `node` knows them,
            which may not be committed, or be older than what others know.
        node: whose word this is.
        last_index: the last entry in the log of `node` then.
        has_changed: whether the operation that returned this has changed the members, or their addresses. It has not if
            all was done already, as when it is repeated.
    """

    leader: str | None
    node: str
    last_index: int
    has_changed: bool

    def __new__(
        cls,
        members: Iterable[GroupMember] = (),
        *,
        leader: str | None = None,
        node: str = "",
        last_index: int = 0,
        has_changed: bool = False,
    ) -> Self:
        """Make the tuple of `members`."""
        made = super().__new__(cls, members)
        made.leader, made.node, made.last_index, made.has_changed = leader, node, last_index, has_changed
        return made

    @property
    def voters(self) -> tuple[str, ...]:
        """The names of those that vote, or will once a change of the members has ended; sorted, each once."""
        return tuple(sorted({member.node for member in self if member.role in VOTING}))


@dataclass(frozen=True, slots=True)
class Transferred:
    """How a transfer of the leadership ended: `leader` leads now. `has_changed` False: it did so before.

    It may be another node than the one that was to lead, if that was not elected: compare it.
    """

    leader: str
    has_changed: bool
