"""Inactive members: explains why a node takes no full part in a group, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from coterie.actors.groups.group_messages import LOST_PROMISES, NOT_A_MEMBER, GroupStatus

__all__ = ["explanations"]

_NON_PARTICIPATION: Final = {
    "registering": "its store {store} is new, and waits until more of the other voters confirm it: they must be up and "
    "linked with it",
    "refused": "the other voters have registered another store than {store} under its name: put the data directory "
    "with that store back if it exists; else start it with an empty data directory and --bootstrap join, and replace "
    "the lost store (coterie raft replace)",
    "founders_differ": "the other voters have a group of this name with other founders: nodes= only says who founds a "
    "group, so take this node out of it, or give the group another name",
    NOT_A_MEMBER: "its store {store} is no member of the group: it waits to be added (coterie raft add, replace), or "
    "was removed",
    LOST_PROMISES: "its store {store} lost what it had promised: {reason}; put the real data directory back if it "
    "exists, and the node takes part at once; else start it with an empty data directory and --bootstrap join, and "
    "replace the store (coterie raft replace). Is no quorum left that has lost nothing? See `coterie raft recover "
    "--help`",
}
"""Explanation by role."""


def explanations(status: GroupStatus) -> Iterator[str]:
    """Yield a sentence for each reason why the node of `status` is no active voter, or only stores and votes."""
    if status.role in _NON_PARTICIPATION:
        text = _NON_PARTICIPATION[status.role].format(store=status.store, reason=status.quarantine)
        yield f"{status.node} takes no part: {text}"
    if status.quarantine is not None and status.role != LOST_PROMISES:
        yield (
            f"{status.node} is in quarantine (until it is restarted on code that can follow the group, it stores and "
            f"votes, and applies nothing): {status.quarantine}"
        )
