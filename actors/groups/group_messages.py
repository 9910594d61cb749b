"""Group messages: defines requests to a replicated group (execute, report status, watch the leader), and the replies.

They are the same for every algorithm that replicates a log.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.replicated_log import Refusal
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Ref

__all__ = [
    "DISK_FULL",
    "ENVELOPE_BYTES",
    "LOST_PROMISES",
    "NOT_A_MEMBER",
    "NOT_READ",
    "NOT_REGISTERED",
    "NO_SCHEMA",
    "QUARANTINED",
    "TOO_LARGE",
    "ActivateSchema",
    "Answer",
    "CodeReport",
    "Execute",
    "GroupMember",
    "GroupStatus",
    "HandOver",
    "HandOverAnswer",
    "LeaderIs",
    "NotActivated",
    "ReadQueries",
    "ReadStale",
    "Refused",
    "ReportCode",
    "ReportStatus",
    "SchemaActivated",
    "StaleAnswer",
    "Unsettled",
    "WatchLeader",
]

TOO_LARGE: Final = "too_large"
NOT_REGISTERED: Final = "not_registered"
NO_SCHEMA: Final = "no_schema"
QUARANTINED: Final = "quarantined"
LOST_PROMISES: Final = "lost_promises"
NOT_A_MEMBER: Final = "not_a_member"
NOT_READ: Final = "not_read"
DISK_FULL: Final = Refusal.SHORT_OF_SPACE.value

ENVELOPE_BYTES: Final = 4096
"""The most that a message takes in addition to its entries, its one command, or the answer to one."""


@message(name="group.Refused")
class Refused:
    """Definite: the command was not put into the log. Ask `leader`, if it is known.

    `NOT_REGISTERED`: the node takes no part, because the other voters do not remember its store (yet).
    `NOT_READ`: the machine's `read` does not answer such queries, so they are answered through the log alone.
    `NO_SCHEMA`: the group's log does not say yet which commands there are, or this node's code does not have them.
    `DISK_FULL`: the disk of the leader, which `leader` names, has too little free space: asking again does not help.
    `TOO_LARGE`: it exceeds `max_bytes`, the most that one entry may have; the commands of a batch may fit alone.
    """

    reason: str
    leader: str | None
    max_bytes: int = 0


@message(name="group.Unsettled")
class Unsettled:
    """Unknown outcome: the command is in a log, and may or may not be committed. Retry under the same identity."""

    reason: str
    leader: str | None


Answer = bytes | Refused | Unsettled
"""The result of a command. Bytes: it was applied; the session layer's replies, as `fit_reply` encodes them."""


@message(name="group.Execute", speaker=Speaker.CLIENT)
class Execute(Ask[Answer]):
    """Replicate and execute an encoded session command or batch (`coterie.protocols.sessions`) as one log entry."""

    command: bytes


@message(name="group.Read", speaker=Speaker.CLIENT)
class ReadQueries(Ask[Answer]):
    """Answer an encoded query, or batch of queries, so that it is linearizable; any node of the group may be asked.

    Queries that the machine's `read` answers are never put into the log; a batch of others is executed as an `Execute`
    would be. A batch of both is refused (`NOT_READ`): send each class of queries apart.
    """

    command: bytes


@message(name="group.StaleAnswer")
class StaleAnswer:
    """The answer of one replica from what it has applied, and how old that may be.

    `answer`: as an `Answer` has it. `index`: the last entry that it has applied. `behind`: how many more entries it
    knows to be committed. `heard_s`: how long ago it received a message of a leader; a leader: from a quorum, at most
    (s). That message may have been on its way for long: so the answer may be older than this.
    """

    answer: bytes
    index: int
    behind: int
    heard_s: float


@message(name="group.ReadStale", speaker=Speaker.CLIENT)
class ReadStale(Ask[StaleAnswer | Refused]):
    """Answer an encoded query, or batch of queries, from what this replica has applied."""

    command: bytes


@message(name="group.LeaderIs", speaker=Speaker.NODE)
class LeaderIs:
    """`node` reports that `leader` is the leader of `group` in `term`."""

    group: str
    node: str
    leader: str
    term: int


@message(name="group.WatchLeader", speaker=Speaker.CLIENT)
class WatchLeader(Ask[LeaderIs | None]):
    """Send `watcher` each `LeaderIs` from now on, until its link is down. The reply is the leader known now."""

    watcher: Ref[LeaderIs]


@message(name="group.Member")
class GroupMember:
    """One member of a group, as its log has it: `store` is None until an entry says which it is.

    `role`: voter; learner: it gets all entries and does not vote; or, while members change, incoming or outgoing.
    `address`: `host:port`, if the log has it.
    """

    node: str
    store: str | None
    role: str
    address: str | None = None


@message(name="group.Status")
class GroupStatus:
    """The status of one node of a group. Indexes are those of log entries.

    `role`: as the algorithm names it; or, for an inactive voter, `registering`: its store is new, and too few of the
    other voters have confirmed that they remember it; `refused`: they remember another store under its name, or the log
    binds it to another one; `founders_differ`: their group of this name has other founders. `not_a_member`: its store
    is no member (yet, or any more), as far as it knows.
    `quarantined`: it stores and votes, but neither applies nor leads; or `lost_promises`: its store went back in time,
    and it takes no part. `quarantine` says why. `trouble`: what this node has found to be wrong with the group.
    `members`: the members that the group's log has, whatever the topology says. `revision`, `version`: of the schema
    that its machine follows; 0: it has none. `code_version`, `code_schema`: the version and the hash of what its code
    is. `base_index`: the log begins after this entry. `snapshot_index`: the last entry in the snapshot; 0: there is
    none. `activity`: what is under way: a snapshot is restored or fetched; None: nothing. `change`: which change of
    members is under way, and how far it is, if this node leads; None: none. `disk`: `nearly_full`: this node leads only
    if no other voter can, and then refuses commands; `full`: it can write nothing, acknowledges nothing, and waits for
    space; None: it has room. `full_for_s`: for so long it has stored nothing, since its disk is full; None: it stores.
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
    members: tuple[GroupMember, ...] = ()
    quarantine: str | None = None
    revision: int = 0
    version: int = 0
    code_version: int = 0
    code_schema: str = ""
    trouble: str | None = None
    base_index: int = 0
    snapshot_index: int = 0
    activity: str | None = None
    change: str | None = None
    disk: str | None = None
    full_for_s: float | None = None


@message(name="group.ReportStatus", speaker=Speaker.OPERATOR)
class ReportStatus(Ask[GroupStatus]):
    """Ask a node of a group for its status."""


@message(name="group.SchemaActivated")
class SchemaActivated:
    """The schema is active: `revision` of the group, with its `version`, from the entry `index` on."""

    revision: int
    version: int
    index: int


@message(name="group.NotActivated")
class NotActivated:
    """The schema is not active: `reason`. Ask `leader`, if it is known.

    `is_certain`: it is in no log; otherwise it may still become active.
    """

    reason: str
    leader: str | None
    is_certain: bool = True


@message(name="group.ActivateSchema", speaker=Speaker.OPERATOR)
class ActivateSchema(Ask[SchemaActivated | NotActivated]):
    """Make the schema of the leader's code active, if all voters have it."""


@message(name="group.HandOverAnswer")
class HandOverAnswer:
    """`is_done`: the node that was asked leads no more; else `reason` says why. `leader`: who does, if it knows."""

    is_done: bool
    reason: str
    leader: str | None


@message(name="group.HandOver", speaker=Speaker.OPERATOR)
class HandOver(Ask[HandOverAnswer]):
    """Hand the leadership of the group to the node `target`, or (None) to the one that is furthest."""

    target: str | None = None


@message(name="group.CodeReport")
class CodeReport:
    """What the code of one node is: its schema as the first revision of a group; empty: its machine has none.

    `recorded`: the revisions in its log: the first one and the last two, as the contents of their entries.
    """

    node: str
    revision: bytes
    recorded: tuple[bytes, ...] = ()


@message(name="group.ReportCode", speaker=Speaker.OPERATOR)
class ReportCode(Ask[CodeReport]):
    """Ask a node of a group what its code is."""
