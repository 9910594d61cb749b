"""Raft schedules: run groups through stalled disks, late answers and lies; raise `Violation` if they end badly.

| schedule | invariant | broken when |
| --- | --- | --- |
| `stalled_disks` | `raft.leader_kept` | followers whose disks stall, but whose links are fine, depose their leader |
| `late_answers` | `raft.leader_left` | a leader that is cut off goes on leading, because old answers arrive late |
| `deposed_leader_reads` | `raft.reads_linearizable` | answers sent before a read let a deposed leader answer it |
| `abandoned_transfer` | `raft.commands_taken` | a leader whose successor is silent goes on and takes no commands |
| `impossible_refusal` | `raft.follower_repaired` | an answer that no follower gives stops replication to its sender |
| `lost_entries` | `raft.commit_durable` | an entry counts as stored at a follower that has shown that it lost it |
| `stalled_leader` | `raft.memory_bounded` | a leader whose own disk stalls keeps more and more in memory |
| `large_burst` | `raft.write_bounded` | a burst of proposals becomes one write above the limit |
| `alternating_tails` | `raft.refusals_few` | a hundred terms of its own in each log cost more than a few refusals |
| `full_leader` | `raft.leader_has_room` | a leader whose disk is full hands over to a voter with a full disk |
| `full_voter_and_a_lost_leader` | `raft.leader_has_room` | a voter whose disk is full stands before one with room |
"""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import ShortOfSpace
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, TimeoutNow
from coterie.protocols.raft.raft_observations import ELECTION_STARTED
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import ENTRY_OVERHEAD_BYTES, Applied
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, received, refusal, success

__all__ = [
    "abandoned_transfer",
    "alternating_tails",
    "deposed_leader_reads",
    "full_leader",
    "full_voter_and_a_lost_leader",
    "impossible_refusal",
    "large_burst",
    "late_answers",
    "lost_entries",
    "stalled_disks",
    "stalled_leader",
]

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")

STALL_S = 3.0
TERMS = 100
SEEDS = 5
HANDFUL = 5
MOST_WAITING = 16
MOST_WRITTEN_BYTES = 1000


def _small(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(
        voters,
        cache_entries=MOST_WAITING,
        max_uncommitted_entries=MOST_WAITING,
        max_write_bytes=MOST_WRITTEN_BYTES,
    )


def stalled_disks() -> None:
    """Let the disks of both followers stall for 3 s while one entry is on its way to them; every link is fine.

    Raises:
        Violation: `raft.leader_kept`, if the leader steps down.
    """
    group = DirectedGroup.led_by(N1)
    group.propose(N1, b"x")
    end = group.now + STALL_S
    while group.now < end:
        group.deliver(kind=AppendEntries)
        group.deliver(kind=AppendEntriesReply)
        group.tick(N1)
        if group[N1].role is not RaftRole.LEADER:
            ViolationContext().fail("raft.leader_kept", N1, f"stepped down {end - group.now:.2f} s before the end")


def late_answers() -> None:
    """Cut a leader off from both followers; answers that one of them sent before arrive one by one.

    Raises:
        Violation: `raft.leader_left`, if it still leads after ten periods of check-quorum.
    """
    group = DirectedGroup.led_by(N1)
    end = group.now + 10 * group.config.election_timeout_max_s
    while group.now < end and group[N1].role is RaftRole.LEADER:
        group.handle(N1, received(N2, success(1, 1)))
        group.tick(N1)
        group.drop()
    if group[N1].role is RaftRole.LEADER:
        ViolationContext().fail("raft.leader_left", N1, "leads, and its followers have heard nothing for long")


def deposed_leader_reads() -> None:
    """Depose a leader that does not hear of it; then ask it for a read, and let answers of before arrive.

    Raises:
        Violation: `raft.reads_linearizable`, if it answers: another leader has committed an entry since.
    """
    group = DirectedGroup.led_by(N1)
    group.tick(N1)
    group.deliver(sender=N1)
    late, group.network = group.network, []
    group.elect(N2, N3)
    group.propose(N2, b"x")
    group.settle(N2, N3)
    group.read(N1)
    group.drop()
    for flight in late:
        group.handle(flight.to, received(flight.sender, flight.message))
    if group.record(N1).readable:
        ViolationContext().fail(
            "raft.reads_linearizable", N1, "it answers a read although another node leads and commits"
        )


def abandoned_transfer() -> None:
    """Let a leader hand over to a member that goes silent in this moment, and propose a command after a time-out.

    Raises:
        Violation: `raft.commands_taken`, if it is refused, although the leader leads on.
    """
    group = DirectedGroup.led_by(N1)
    group.transfer(N1, N2)
    end = group.now + 2 * group.config.election_timeout_max_s
    while group.now < end:
        group.drop(to=N2)
        group.deliver(to=N3, kind=AppendEntries)
        group.deliver(to=N1, kind=AppendEntriesReply)
        group.tick(N1)
    group.propose(N1, b"x")
    if group.record(N1).rejects and group[N1].role is RaftRole.LEADER:
        ViolationContext().fail("raft.commands_taken", N1, "it leads on, and refuses a command")


def impossible_refusal() -> None:
    """Let a follower refuse an index beyond its leader's log.

    Raises:
        Violation: `raft.follower_repaired`, if it gets no more entries.
    """
    group = DirectedGroup.led_by(N1)
    group.handle(N1, received(N2, refusal(1, 50, (60, 1))))
    group.propose(N1, b"x")
    for _ in range(3):
        group.heartbeat(N1)
    if group[N2].last_index < group[N1].last_index:
        detail = f"has {group[N2].last_index} entries, its leader {group[N1].last_index}"
        ViolationContext().fail("raft.follower_repaired", N2, detail)


def lost_entries() -> None:
    """Let a follower acknowledge an entry that its leader's disk does not hold yet, and lose it.

    Raises:
        Violation: `raft.commit_durable`, if the leader's disk alone commits it.
    """
    group = DirectedGroup.led_by(N1)
    group.propose(N1, b"x")
    group.deliver(to=N2)
    group.sync(N2)
    group.deliver(to=N1)
    group.drop()
    group.crash(N2)
    del group.record(N2).disk.entries[-1]  # it comes back with an older copy of its disk
    group.restart(N2)
    for _ in range(3):
        group.tick(N1)
        group.deliver(sender=N1, to=N2)
        group.deliver(to=N1)
        group.drop()
    group.sync(N1)
    if group[N1].commit_index > 1:
        ViolationContext().fail("raft.commit_durable", N1, "entry 2 is committed, and only its own disk holds it")


def stalled_leader() -> None:
    """Let the disk of a leader stall, and propose as much as it takes; its followers commit without it.

    Raises:
        Violation: `raft.memory_bounded`, if it takes more than the configuration allows.
    """
    group = DirectedGroup.led_by(N1, config=_small)
    for _ in range(10):
        group.propose(N1, *[b"x"] * MOST_WAITING)
        _let_followers_work(group)
    waiting = sum(len(persist.write.entries) for persist in group.record(N1).unsynced)
    if waiting > 2 * MOST_WAITING:
        ViolationContext().fail("raft.memory_bounded", N1, f"{waiting} entries wait for its disk")


def _let_followers_work(group: DirectedGroup) -> None:
    for _ in range(4):
        for name in group.nodes:
            if name != N1:
                group.work(name)
        record = group.record(N1)
        applies, record.applies = record.applies, []
        for apply in applies:
            group.handle(N1, Applied(apply.entries[-1].index))
        group.deliver()


def large_burst() -> None:
    """Propose many commands in one batch.

    Raises:
        Violation: `raft.write_bounded`, if a write is larger than the configuration allows.
    """
    group = DirectedGroup.led_by(N1, config=_small)
    group.propose(N1, *[bytes(100)] * MOST_WAITING)
    for persist in group.record(N1).unsynced:
        size_bytes = sum(len(entry.command) + ENTRY_OVERHEAD_BYTES for entry in persist.write.entries)
        if size_bytes > MOST_WRITTEN_BYTES:
            ViolationContext().fail("raft.write_bounded", N1, f"one write has {size_bytes} bytes")


def alternating_tails() -> None:
    """Let a leader repair a follower; each of the two has a hundred terms of its own, with one entry each.

    Raises:
        Violation: `raft.refusals_few`, if it takes more than a handful of refusals.
    """
    odd, even = range(3, 2 * TERMS + 3, 2), range(2, 2 * TERMS + 2, 2)
    group = DirectedGroup(3, disks={N1: disk_of(1, *odd), N2: disk_of(1, *even)})
    group.elect(N1, "n3")
    group.heartbeat(N1)
    refusals = sum(observed.event == "raft.conflict_found" for observed in group.observed)
    if refusals > HANDFUL:
        ViolationContext().fail("raft.refusals_few", N1, f"{refusals} refusals before the logs were equal")


def full_leader() -> None:
    """Fill the disk of a leader whose follower n2 has the same log and a full disk, too; n3 has room.

    Raises:
        Violation: `raft.leader_has_room`, if another node than n3 is asked to lead, or none leads but the full one.
    """
    group = DirectedGroup.led_by(N1)
    group.handle(N2, ShortOfSpace(True))
    group.heartbeat(N1)
    group.handle(N1, ShortOfSpace(True))
    asked = [flight.to for flight in group.network if isinstance(flight.message, TimeoutNow)]
    if asked != [N3]:
        detail = f"its disk is full: it should ask n3 to lead, which has room, and asks {asked or 'nobody'}"
        ViolationContext().fail("raft.leader_has_room", N1, detail)
    group.run_on(4 * group.config.election_timeout_max_s)
    if group[N3].role is not RaftRole.LEADER:
        ViolationContext().fail("raft.leader_has_room", N3, "it was asked to lead, and does not")


def full_voter_and_a_lost_leader() -> None:
    """Let the leader of three go for ever, while the disk of one voter is full, with time-outs of several seeds.

    Raises:
        Violation: `raft.leader_has_room`, if the one with the full disk stands for election.
    """
    for seed in range(SEEDS):
        group = DirectedGroup(3, seed=seed)
        group.elect(N1)
        group.heartbeat(N1)
        group.handle(N2, ShortOfSpace(True))
        group.heartbeat(N1)
        group.crash(N1)
        group.run_on(3 * group.config.election_timeout_max_s, N2, N3)
        if any((each.event, each.facts["node"]) == (ELECTION_STARTED, N2) for each in group.observed):
            ViolationContext().fail("raft.leader_has_room", N2, "it stands for election, although its disk is full")
        if group[N3].role is not RaftRole.LEADER:
            ViolationContext().fail("raft.leader_has_room", N3, "it has room and was not elected")
