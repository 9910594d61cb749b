"""Snapshot trials: compact logs, and let members meet whose logs begin elsewhere; raise `Violation` if broken."""

from __future__ import annotations

from typing import Final

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, HardState, LogWrite
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot, ReadChunk
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

__all__ = [
    "acknowledged_snapshot",
    "conflicting_log",
    "interrupted_compaction",
    "left_behind",
    "members_in_snapshot",
    "mixed_chunks",
]

N1: Final = "n1"
N2: Final = "n2"
N3: Final = "n3"
COMMANDS: Final = 5


def left_behind() -> None:
    """Cut a follower off, compact the leader's log, and let the follower come back.

    Raises:
        Violation: it does not catch up, or applies something else than the rest of the log to the snapshot's state.
    """
    group = _compacted_without(N3)
    _settle(group)
    snapshot, follower = group[N1].facts.snapshot, group.record(N3)
    if snapshot is None or follower.restored != [snapshot]:
        _fail("raft.snapshot_installed", N3, f"its machine began from {follower.restored}, not from {snapshot}")
    elif [entry.index for entry in follower.applied] != list(range(snapshot.position.index + 1, _last(group) + 1)):
        _fail("raft.snapshot_installed", N3, f"after {snapshot.position} it has applied {follower.applied}")


def acknowledged_snapshot() -> None:
    """Let a follower install a snapshot, and look at what it tells the leader.

    Raises:
        Violation: it acknowledges more than the snapshot holds, or before that is durable.
    """
    group = _compacted_without(N3)
    for _ in range(_MANY):
        acknowledged = [each.match_index for each in _replies(group) if each.success and each.match_index > 0]
        held = group.record(N3).disk.last_index
        if any(index > held for index in acknowledged):
            _fail("raft.append_ahead_of_disk", N3, f"it acknowledges {acknowledged}, on the disk is {held}")
        group.deliver(to=N1)
        group.deliver(to=N3)
        group.work(N3)
        group.work(N1)


def conflicting_log() -> None:
    """Offer a snapshot to a follower whose log has other entries than the leader's, up to beyond the snapshot.

    Raises:
        Violation: it keeps entries with which the leader's log does not agree.
    """
    disk = RaftDisk(HardState(Term(1), None))
    wrong = [Entry(LogIndex(at), Term(1), EntryKind.COMMAND, b"wrong") for at in range(1, 2 * COMMANDS)]
    disk.write(LogWrite(entries=tuple(wrong)))
    group = DirectedGroup(3, disks={N3: disk})
    for name in (N1, N2):  # so that the leader's term is above that of the wrong entries
        group.record(name).disk.hard_state = HardState(Term(1), None, group.record(name).disk.hard_state.facts)
        group.crash(name)
        group.restart(name)
    group.elect(N1, N2)
    _propose(group, N1, N2)
    group.take_snapshot(N1)
    _settle(group)
    kept = [entry for entry in group.record(N3).disk.entries if entry.command == b"wrong"]
    if kept or group.record(N3).disk.last_index != _last(group):
        _fail("raft.log_matching", N3, f"it keeps {kept} after the snapshot of another log")


def members_in_snapshot() -> None:
    """Let a leader record the stores of its members, compact its log, and bring up a follower that has no entry.

    Raises:
        Violation: the follower's register does not have the members of the group.
    """
    group = DirectedGroup(3, stores_known=False)
    group.elect(N1, N2)
    _propose(group, N1, N2)
    group.take_snapshot(N1)
    _settle(group)
    leader, follower = group[N1].facts, group[N3].facts
    if leader.membership_index == 0:
        raise RuntimeError("the trial is void: the leader has recorded no members")
    if follower.memberships != leader.memberships:
        _fail("raft.register_follows_log", N3, f"its members are {follower.memberships}, not {leader.memberships}")


def mixed_chunks() -> None:
    """Take another snapshot while a follower's fetch of one stands still; then let a chunk of the first one come late.

    Raises:
        Violation: the follower puts chunks of both into one file.
    """
    group = _compacted_without(N3)
    group.deliver(to=N1)
    _fetch_first_chunk(group)
    late = group.drop(kind=Chunk)
    _propose(group, N1, N2)
    group.take_snapshot(N1)
    for _ in range(2):  # at the first offer of it the fetch has moved since the last one
        group.tick(N1)
        group.deliver(to=N3)
    for chunk in late:
        group.send(N1, N3, chunk)
    group.deliver(to=N3, kind=Chunk)
    group.work(N3)


def interrupted_compaction() -> None:
    """End a node between any two of its writes while it compacts its log; let it go on from what is on the disk.

    Raises:
        Violation: entries are gone without a snapshot that covers them.
    """
    for surviving in range(3):
        group = _compacted_without(N3)
        _propose(group, N1, N2)
        group.take_snapshot(N1)
        group.propose(N1, b"later")
        group.crash(N1, surviving_writes=surviving)
        facts = group.record(N1).disk.hard_state.facts
        if facts.base.index > 0 and (facts.snapshot is None or facts.snapshot.position.index < facts.base.index):
            _fail("raft.snapshot_covers", N1, f"its log begins after {facts.base}, its snapshot is {facts.snapshot}")
        group.restart(N1)
        group.elect(N1, N2)
        _settle(group)


_MANY = 40


def _compacted_without(cut_off: str) -> DirectedGroup:
    """Return a group in which n1 leads and has compacted its log while the node `cut_off` heard nothing."""
    group = DirectedGroup.led_by(N1)
    others = [name for name in (N1, N2, N3) if name != cut_off]
    _propose(group, *others)
    group.take_snapshot(N1)
    _propose(group, *others)
    group.tick(N1)
    group.deliver(to=cut_off, kind=AppendEntries)
    return group


def _propose(group: DirectedGroup, *names: str) -> None:
    for _ in range(COMMANDS):
        group.propose(N1, b"x")
        group.settle(*names)


def _settle(group: DirectedGroup) -> None:
    """Let heartbeats and answers go on until everybody has heard everything."""
    try:
        for _ in range(3):
            group.heartbeat(N1)
    except (InvariantViolated, RuntimeError, ValueError) as error:
        _fail("raft.snapshot_installed", None, repr(error))


def _fetch_first_chunk(group: DirectedGroup) -> None:
    """Let the leader offer its snapshot, and read the first chunk that is asked for."""
    for _ in range(3):
        group.tick(N1)
        group.deliver(to=N3, kind=AppendEntries)
        group.deliver(to=N1, kind=AppendEntriesReply)
        group.deliver(to=N3, kind=InstallSnapshot)
        group.deliver(to=N1, kind=ReadChunk)
        group.work(N1)
        if any(type(flight.message) is Chunk for flight in group.network):
            return
    raise RuntimeError("the trial is void: no chunk is on its way")


def _replies(group: DirectedGroup) -> list[AppendEntriesReply]:
    return [
        flight.message
        for flight in group.network
        if flight.sender == N3 and isinstance(flight.message, AppendEntriesReply)
    ]


def _last(group: DirectedGroup) -> LogIndex:
    return group[N1].last_index


def _fail(invariant: str, node: str | None, detail: str) -> None:
    ViolationContext().fail(invariant, None if node is None else NodeId(node), detail)
