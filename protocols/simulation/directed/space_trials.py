"""Space trials: run known schedules of Raft in which disks have no room for commands, each of which a mutant fails."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.raft_effects import ShortOfSpace
from coterie.protocols.raft.raft_messages import TimeoutNow
from coterie.protocols.raft.raft_observations import ELECTION_STARTED
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

__all__ = ["TRIALS", "full_leader", "full_voter_and_a_lost_leader", "run_on"]

TRIALS = ("full_leader", "full_voter_and_a_lost_leader")

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
SEEDS = 5


def run_on(group: DirectedGroup, duration_s: float, *names: NodeId) -> None:
    """Let `names` (none: all) run for so long: each is ticked when it is due, the one that is due first before others.

    Messages and writes take no time.
    """
    members = names or tuple(group.nodes)
    end = group.now + duration_s
    while True:
        due = min(members, key=lambda name: group[name].deadline or 0.0)
        if (group[due].deadline or 0.0) > end:
            group.now = end
            return
        group.tick(due)
        group.settle(*members)


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
    run_on(group, 4 * group.config.election_timeout_max_s)
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
        run_on(group, 3 * group.config.election_timeout_max_s, N2, N3)
        if any((each.event, each.facts["node"]) == (ELECTION_STARTED, N2) for each in group.observed):
            ViolationContext().fail("raft.leader_has_room", N2, "it stands for election, although its disk is full")
        if group[N3].role is not RaftRole.LEADER:
            ViolationContext().fail("raft.leader_has_room", N3, "it has room and was not elected")
