"""What one says to a replicated group from outside: execute, ask how it is, hear who leads.

The same messages serve every engine of a replicated log.
"""

from __future__ import annotations

from typing import Final

from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref

__all__ = [
    "NOT_REGISTERED",
    "REPLY_TOO_LARGE",
    "Answer",
    "Execute",
    "GroupStatus",
    "LeaderIs",
    "Refused",
    "ReportStatus",
    "Unsettled",
    "WatchLeader",
]

REPLY_TOO_LARGE: Final = "reply_too_large"
NOT_REGISTERED: Final = "not_registered"


@message(name="group.Refused")
class Refused:
    """Definite: the command was not put into the log. Ask `leader`, if it is known.

    `NOT_REGISTERED`: the node takes no part, since the others do not remember its store (yet).
    """

    reason: str
    leader: str | None


@message(name="group.Unsettled")
class Unsettled:
    """Unknown: the command is in a log, and may or may not be committed. Ask again under the same identity.

    `REPLY_TOO_LARGE`: it was executed, but what it replied fits into no frame; ask for the parts of a batch alone.
    """

    reason: str
    leader: str | None


Answer = bytes | Refused | Unsettled
"""What became of a command. Bytes: it was executed, and this is the session layer's reply, encoded."""


@message(name="group.Execute")
class Execute(Ask[Answer]):
    """Replicate and execute a command as `coterie.protocols.sessions` encodes it, perhaps a batch: one log entry."""

    command: bytes


@message(name="group.LeaderIs")
class LeaderIs:
    """In `term`, `leader` leads `group`, as `node` sees it."""

    group: str
    node: str
    leader: str
    term: int


@message(name="group.WatchLeader")
class WatchLeader(Ask[LeaderIs | None]):
    """Tell `watcher` each `LeaderIs` from now on, until its link is down. The reply is what is known now."""

    watcher: Ref[LeaderIs]


@message(name="group.Status")
class GroupStatus:
    """How one node of a group is doing. Indexes are log entries.

    `role`: as the algorithm names it; or why the node takes no part: `registering`: its store is new, and too few of
    the other voters have confirmed that they remember it; `refused`: for ever, they remember another under its name.
    """

    group: str
    node: str
    role: str
    term: int
    leader: str | None
    last_index: int
    commit_index: int
    applied_index: int
    store: str
    syncs: int


@message(name="group.ReportStatus")
class ReportStatus(Ask[GroupStatus]):
    """Ask a node of a group how it is doing."""
