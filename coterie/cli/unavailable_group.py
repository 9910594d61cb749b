"""`naming_no_leader`: tells that a group has no leader, where a command to it has failed for want of one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.members.group_members import GroupHasNoLeader
from coterie.errors import CommandTimeout, CoterieError, Outcome

__all__ = ["GroupUnavailable", "naming_no_leader"]

STATUS_TIMEOUT_S: Final = 2.0
"""How long the nodes have to say whether one of them leads, after the command has failed."""

_FATE: Final = {
    Outcome.DEFINITE: "nothing was changed",
    Outcome.UNKNOWN: "it may have been executed",
    Outcome.HAPPENED: "it was executed",
}


class GroupUnavailable(CoterieError):
    """A group executes no commands: no node that answers leads it."""


@asynccontextmanager
async def naming_no_leader(client: Client, group: str, *, is_read: bool = False) -> AsyncIterator[None]:
    """Turn a CommandTimeout in the block into GroupUnavailable if nodes of the group answer, and none of them leads it.

    `is_read`: the block changes nothing, whatever the outcome of the error is.
    """
    try:
        yield
    except GroupHasNoLeader as error:  # the operation has looked for it itself
        raise GroupUnavailable(f"{error}: see `coterie status`") from error
    except CommandTimeout as error:
        answers = (await client.group(group).status(timeout_s=STATUS_TIMEOUT_S)).values()
        statuses = [answer for answer in answers if isinstance(answer, GroupStatus)]
        if not statuses or any(status.role == "leader" for status in statuses):
            raise
        members = {member.node for status in statuses for member in status.members}
        nodes = sorted(members & {status.node for status in statuses})
        fate = _FATE[Outcome.DEFINITE if is_read else error.outcome]
        raise GroupUnavailable(
            f"no node leads group {group!r}: {len(nodes)} of its {len(members)} nodes answer "
            f"({', '.join(nodes)}), and a leader needs a quorum; {fate}: see "
            f"`coterie status`"
        ) from error
