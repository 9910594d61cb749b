"""Log trials: let logs meet that begin at different places or record different members; raise `Violation` if broken."""

from __future__ import annotations

from typing import Final

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk, founded
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    HardState,
    LogWrite,
    RequestVote,
    RequestVoteReply,
    Round,
)
from coterie.protocols.raft.raft_observations import SNAPSHOT_NEEDED
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, LogPosition, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

__all__ = ["behind_the_base", "beyond_the_base", "dropped_members"]

NODES: Final = (NodeId("n1"), NodeId("n2"), NodeId("n3"))
COMMITTED: Final = 8
BASE: Final = LogPosition(LogIndex(5), Term(1))
HEARTBEATS: Final = 3


def beyond_the_base() -> None:
    """Let a message that begins below the base of a follower arrive there, as one that was delayed may.

    Raises:
        Violation: the follower takes entries up to its base as news, or does not catch up.
    """
    group = DirectedGroup(3, disks={"n1": _disk(), "n2": _disk(), "n3": _disk(BASE, last=BASE.index)})
    group.elect("n1", "n2")
    entries = tuple(group.record("n1").disk.entries[2:COMMITTED])
    old = AppendEntries(group["n1"].term, Round(1), LogIndex(2), Term(1), LogIndex(COMMITTED), entries)
    try:
        group.send("n1", "n3", old)
        group.settle()
        group.heartbeat("n1")
    except InvariantViolated as error:
        _fail("raft.base_kept", str(error))
    follower = group.record("n3")
    indexes = [entry.index for entry in follower.applied]
    if indexes != list(range(BASE.index + 1, COMMITTED + 2)):
        _fail("raft.base_kept", f"the follower whose log begins after {BASE} has applied {indexes}")


def behind_the_base() -> None:
    """Let a leader whose log begins at a base meet a follower that lacks entries below it.

    Raises:
        Violation: the leader does not report it once, or goes on to send what the follower cannot take.
    """
    group = DirectedGroup(3, disks={"n1": _disk(BASE), "n2": _disk(BASE), "n3": _disk(last=2)})
    try:
        group.elect("n1", "n2")
        for _ in range(HEARTBEATS):
            group.heartbeat("n1")
    except RuntimeError as error:
        _fail("raft.snapshot_needed", f"the leader sends again and again: {error}")
    reported = [observed for observed in group.observed if observed.event == SNAPSHOT_NEEDED]
    if [observed.facts["peer"] for observed in reported] != ["n3"]:
        _fail("raft.snapshot_needed", f"the leader reported {reported}")


def dropped_members() -> None:
    """Let a leader record the stores of its members, and lose that entry to another leader.

    Raises:
        Violation: a register says something else than the log that it belongs to.
    """
    group = DirectedGroup(3, stores_known=False)
    group.nominate("n1")
    group.deliver(sender="n1", to="n2", kind=RequestVote)
    group.sync("n2")
    group.deliver(to="n1", kind=RequestVoteReply)
    group.sync("n1")
    if group["n1"].facts.membership_index != LogIndex(2):
        raise RuntimeError("the trial is void: the leader has recorded no members")
    group.network = []
    group.elect("n2", "n3")
    group.heartbeat("n2")
    memberships = [group[node].facts.memberships for node in NODES]
    if memberships != memberships[:1] * len(NODES):
        _fail("raft.register_follows_log", f"equal logs have the members {memberships}")


def _disk(base: LogPosition | None = None, *, last: int = COMMITTED) -> RaftDisk:
    register = founded(NODES) if base is None else founded(NODES, base=base)
    disk = RaftDisk(HardState(Term(1), None, register.facts))
    first = disk.base.index + 1
    entries = [Entry(LogIndex(at), Term(1), EntryKind.COMMAND, b"%d" % at) for at in range(first, last + 1)]
    disk.write(LogWrite(entries=tuple(entries)))
    return disk


def _fail(invariant: str, detail: str) -> None:
    ViolationContext().fail(invariant, None, detail)
