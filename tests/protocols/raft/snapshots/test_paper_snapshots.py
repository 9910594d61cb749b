"""What the paper says of log compaction (§7, Figure 13), claim by claim."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import AppendEntries, AppendEntriesReply
from coterie.protocols.raft.raft_observations import SNAPSHOT_DAMAGED, SNAPSHOT_NEEDED
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    Chunk,
    ChunkStored,
    InstallSnapshot,
    ReadChunk,
    SnapshotStored,
    SnapshotTaken,
)
from coterie.protocols.replicated_log import LogIndex, LogPosition, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, messages, received

COMMANDS = 6


def led_by_n1() -> DirectedGroup:
    """Return a group in which n1 leads, and every node has applied seven entries."""
    group = DirectedGroup.led_by("n1")
    for number in range(COMMANDS):
        group.propose("n1", b"%d" % number)
        group.settle()
    group.heartbeat("n1")
    return group


def with_n3_behind() -> DirectedGroup:
    """Return a group in which n1 has compacted its log, and n3 has heard nothing since the election."""
    group = DirectedGroup.led_by("n1")
    for number in range(COMMANDS):
        group.propose("n1", b"%d" % number)
        group.settle("n1", "n2")
    group.take_snapshot("n1")
    group.heartbeat("n1", "n1", "n2")
    return group


def offer(group: DirectedGroup) -> InstallSnapshot:
    """Let n1 find out that n3 needs a snapshot; return its offer, which is in flight."""
    group.tick("n1")
    group.deliver(to="n3", kind=AppendEntries)
    group.deliver(to="n1", kind=AppendEntriesReply)
    (found,) = [each.message for each in group.network if isinstance(each.message, InstallSnapshot)]
    return found


def test_server_drops_the_entries_that_its_snapshot_covers_and_keeps_the_rest() -> None:
    """§7: once a server completes writing a snapshot, it may delete all log entries up through the last one in it."""
    group = led_by_n1()
    group.propose("n1", b"later")

    snapshot = group.take_snapshot("n1")
    group.settle()

    disk = group.record("n1").disk
    assert snapshot.position == (COMMANDS + 1, 1)
    assert disk.base == snapshot.position
    assert [entry.command for entry in disk.entries] == [b"later"]
    assert disk.hard_state.facts.snapshot == snapshot


def test_trailing_entries_stay_for_followers_that_are_a_little_behind() -> None:
    """Dissertation §5.1.2: it is enough to keep a few: those who need them are not sent a snapshot."""
    group = led_by_n1()
    group.settle("n1", "n2")

    group.take_snapshot("n1", trailing=3)
    group.work("n1")

    assert group.record("n1").disk.base.index == COMMANDS + 1 - 3
    assert group["n1"].term_at(LogIndex(COMMANDS + 1 - 3)) == 1
    assert group["n1"].term_at(LogIndex(COMMANDS - 3)) is None


def test_servers_take_snapshots_independently() -> None:
    """§7: each server takes snapshots independently, covering just the committed entries in its log."""
    group = led_by_n1()

    group.take_snapshot("n2")
    group.propose("n1", b"x")
    group.settle()
    group.heartbeat("n1")

    assert [group.record(name).disk.last_index for name in ("n1", "n2", "n3")] == [COMMANDS + 2] * 3
    assert [group.record(name).disk.base.index for name in ("n1", "n2", "n3")] == [0, COMMANDS + 1, 0]


def test_snapshot_of_what_is_not_applied_breaks_an_invariant() -> None:
    group = led_by_n1()
    beyond = SnapshotId(LogPosition(LogIndex(COMMANDS + 2), Term(1)), 0, 1, bytes(32))

    with pytest.raises(InvariantViolated, match="is applied"):
        group.handle("n1", SnapshotTaken(beyond, LogIndex(1)))


def test_older_snapshot_than_the_present_one_changes_nothing() -> None:
    group = led_by_n1()
    old = group.begin_snapshot("n1")
    group.propose("n1", b"x")
    group.settle()
    newer = group.take_snapshot("n1")

    effects = group.handle("n1", SnapshotTaken(old, LogIndex(0)))

    assert effects == []
    assert group["n1"].facts.snapshot == newer


def test_another_snapshot_at_the_same_position_takes_the_place_of_one_that_is_damaged() -> None:
    group = led_by_n1()
    damaged = group.take_snapshot("n1")
    group.settle()

    other = group.take_snapshot("n1")
    group.settle()

    assert other.position == damaged.position
    assert group.record("n1").disk.hard_state.facts.snapshot == other != damaged


def test_restarted_server_begins_from_its_snapshot_and_applies_only_what_follows() -> None:
    """§7: the snapshot replaces the log as the source of the state."""
    group = led_by_n1()
    snapshot = group.take_snapshot("n1")
    group.propose("n1", b"later")
    group.settle()

    group.crash("n1")
    group.restart("n1")
    assert group["n1"].commit_index == snapshot.position.index
    assert group["n1"].applied_index == 0
    group.elect("n1")

    assert group.record("n1").restored == [snapshot]
    assert [entry.index for entry in group.record("n1").applied] == [COMMANDS + 2, COMMANDS + 3]


def test_leader_offers_a_snapshot_once_it_has_discarded_the_next_entry_of_a_follower() -> None:
    """§7: the leader must occasionally send snapshots to followers that lag behind."""
    group = with_n3_behind()

    found = offer(group)

    assert found.snapshot == group["n1"].facts.snapshot
    assert [each.facts["peer"] for each in group.observed if each.event == SNAPSHOT_NEEDED] == ["n3"]


def test_offer_is_repeated_with_heartbeats_until_the_follower_has_it() -> None:
    group = with_n3_behind()
    offer(group)
    group.drop()

    group.tick("n1")

    assert [type(each.message) for each in group.network if each.to == "n3"] == [AppendEntries, InstallSnapshot]


def test_follower_fetches_chunks_in_order_one_at_a_time_and_asks_again_for_one_that_was_lost() -> None:
    """Figure 13: offset is where the chunk is positioned in the snapshot file."""
    group = with_n3_behind()
    offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)
    assert [each.offset for each in group.deliver(to="n1", kind=ReadChunk) if isinstance(each, ReadChunk)] == [0]
    group.work("n1")
    group.drop(kind=Chunk)
    group.tick("n1")

    group.deliver(to="n3", kind=InstallSnapshot)
    again = group.deliver(to="n1", kind=ReadChunk)
    group.work("n1")
    group.deliver(to="n3", kind=Chunk)
    group.work("n3")
    following = group.deliver(to="n1", kind=ReadChunk)

    assert [each.offset for each in (*again, *following) if isinstance(each, ReadChunk)] == [0, 2048]


def test_repeated_offer_does_not_ask_for_a_chunk_that_is_on_its_way() -> None:
    group = with_n3_behind()
    offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)
    group.deliver(to="n1", kind=ReadChunk)
    group.work("n1")
    group.deliver(to="n3", kind=Chunk)  # it is being stored
    group.tick("n1")

    group.deliver(to="n3", kind=InstallSnapshot)

    assert [each.message for each in group.network if isinstance(each.message, ReadChunk)] == []


def test_follower_that_installs_discards_its_log_and_acknowledges_the_snapshot() -> None:
    """Figure 13, rule 7: discard the entire log; rule 8: reset the state machine."""
    group = with_n3_behind()

    group.heartbeat("n1")
    group.heartbeat("n1")

    snapshot = group["n1"].facts.snapshot
    assert snapshot is not None
    assert group.record("n3").restored == [snapshot]
    assert group.record("n3").disk.base == snapshot.position
    assert group["n3"].commit_index == group["n1"].commit_index
    assert group["n3"].facts.membership == group["n1"].facts.membership


def test_follower_whose_log_has_the_last_entry_of_the_snapshot_retains_what_follows_it() -> None:
    """Figure 13, rule 6: if an existing entry has the same index and term, retain log entries following it."""
    group = led_by_n1()
    snapshot = group.begin_snapshot("n1")
    group.snapshots.finish(NodeId("n2"), snapshot)
    follower = DirectedGroup(3, disks={"n3": group.record("n3").disk})
    follower.snapshots.finish(NodeId("n3"), snapshot)
    message = InstallSnapshot(Term(1), 1, snapshot)
    follower.handle("n3", received("n1", message))
    facts = group["n1"].facts.as_of(snapshot.position)
    last = follower["n3"].last_index

    follower.handle("n3", SnapshotStored(snapshot, facts))
    follower.sync("n3")

    assert follower["n3"].last_index == last
    assert follower["n3"].commit_index == snapshot.position.index
    assert follower.record("n3").disk.base == snapshot.position


def test_snapshot_that_covers_only_a_prefix_of_what_is_committed_is_acknowledged_and_not_fetched() -> None:
    """§7: a snapshot that describes a prefix of the log is ignored; what follows it is still valid."""
    group = led_by_n1()
    snapshot = group.begin_snapshot("n1")

    effects = group.handle("n3", received("n1", InstallSnapshot(Term(1), 1, snapshot)))

    (reply,) = messages(effects)
    assert isinstance(reply, AppendEntriesReply)
    assert (reply.success, reply.match_index) == (True, snapshot.position.index)


def test_snapshot_whose_bytes_are_wrong_is_told_and_fetched_again() -> None:
    group = with_n3_behind()
    found = offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)

    group.handle("n3", SnapshotStored(found.snapshot, None))
    group.drop()
    group.tick("n1")
    group.deliver(to="n3", kind=InstallSnapshot)

    assert [each.event for each in group.observed].count(SNAPSHOT_DAMAGED) == 1
    assert group["n3"].snapshot_fetch == (found.snapshot, 0)
    assert group["n3"].commit_index < found.snapshot.position.index


def test_snapshot_that_the_disk_has_no_room_for_is_no_damage_and_fetched_again() -> None:
    group = with_n3_behind()
    found = offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)

    group.handle("n3", SnapshotStored(found.snapshot, None, is_damaged=False))
    group.drop()
    group.tick("n1")
    group.deliver(to="n3", kind=InstallSnapshot)

    assert SNAPSHOT_DAMAGED not in [each.event for each in group.observed]
    assert group["n3"].snapshot_fetch == (found.snapshot, 0)


def test_offer_of_an_older_term_is_ignored() -> None:
    """Figure 13, rule 1: reply immediately if term < currentTerm. Its heartbeats are answered; that is enough."""
    group = with_n3_behind()
    found = offer(group)
    group.handle("n3", received("n2", append(2, 0, 0)))

    effects = group.handle("n3", received("n1", found))

    assert effects == []
    assert group["n3"].snapshot_fetch is None


def test_offer_resets_the_election_timer_and_reveals_the_leader() -> None:
    group = with_n3_behind()
    found = offer(group)
    group.crash("n3")
    group.restart("n3")
    group.now += 0.1
    before = group["n3"].deadline

    group.handle("n3", received("n1", found))

    assert (group["n3"].role, group["n3"].leader) == (RaftRole.FOLLOWER, "n1")
    assert (group["n3"].deadline or 0.0) != before


@pytest.mark.parametrize(
    "snapshot",
    [
        SnapshotId(LogPosition(LogIndex(0), Term(1)), 0, 5, bytes(32)),
        SnapshotId(LogPosition(LogIndex(99), Term(2)), 0, 5, bytes(32)),
        SnapshotId(LogPosition(LogIndex(99), Term(0)), 0, 5, bytes(32)),
        SnapshotId(LogPosition(LogIndex(99), Term(1)), 0, 0, bytes(32)),
        SnapshotId(LogPosition(LogIndex(99), Term(1)), -1, 5, bytes(32)),
        SnapshotId(LogPosition(LogIndex(99), Term(1)), 0, 5, bytes(16)),
    ],
)
def test_impossible_offer_is_discarded(snapshot: SnapshotId) -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n3", received("n1", InstallSnapshot(Term(1), 1, snapshot)))

    assert group["n3"].snapshot_fetch is None


def test_chunk_that_is_empty_or_too_long_is_discarded() -> None:
    group = with_n3_behind()
    found = offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)
    digest, size = found.snapshot.digest, found.snapshot.size_bytes

    for data in (b"", bytes(size + 1)):
        group.handle("n3", received("n1", Chunk(Term(1), digest, 0, data)))

    assert group.record("n3").chunk_work == []


def test_chunk_of_another_member_than_the_leader_is_ignored() -> None:
    group = with_n3_behind()
    found = offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)

    group.handle("n3", received("n2", Chunk(Term(1), found.snapshot.digest, 0, b"x")))

    assert group.record("n3").chunk_work == []


def test_new_leader_starts_over_with_its_own_snapshot() -> None:
    group = with_n3_behind()
    offer(group)
    group.deliver(to="n3", kind=InstallSnapshot)
    group.deliver(to="n1", kind=ReadChunk)
    group.work("n1")
    group.deliver(to="n3", kind=Chunk)
    group.work("n3")
    assert (group["n3"].snapshot_fetch or (None, 0))[1] > 0

    group.take_snapshot("n2")
    group.elect("n2", "n3")
    group.heartbeat("n2")
    group.heartbeat("n2")

    assert group.record("n3").restored == [group["n2"].facts.snapshot]


def test_entry_that_was_read_before_the_snapshot_came_is_not_applied_again() -> None:
    """The applier reads old entries from the disk; a snapshot that comes meanwhile covers them."""
    group = with_n3_behind()
    group.heartbeat("n1")
    group.heartbeat("n1")
    indexes = [entry.index for entry in group.record("n3").applied]

    assert indexes == sorted(set(indexes))
    assert group["n3"].applied_index == group["n1"].applied_index


def test_fetch_goes_on_while_it_moves_although_the_leader_offers_a_newer_snapshot_and_changes_once_it_stands() -> None:
    """A leader that takes snapshots faster than they are fetched would have each of them begun, and none ended."""
    group = with_n3_behind()
    first = offer(group)
    digest, half = first.snapshot.digest, first.snapshot.size_bytes // 2
    later = LogPosition(LogIndex(first.snapshot.position.index + 9), Term(1))
    newer = replace(first, snapshot=SnapshotId(later, 0, 9000, bytes(32)))
    group.handle("n3", received("n1", first))

    group.handle("n3", received("n1", Chunk(Term(1), digest, 0, bytes(half))))
    group.handle("n3", received("n1", newer))
    assert group["n3"].snapshot_fetch == (first.snapshot, 0), "its first chunk is being written"
    group.handle("n3", ChunkStored(digest, half))
    group.handle("n3", received("n1", newer))
    assert group["n3"].snapshot_fetch == (newer.snapshot, 0), "nothing has arrived since the last offer"


def test_fetch_that_moves_between_two_offers_is_not_given_up() -> None:
    group = with_n3_behind()
    first = offer(group)
    digest, part = first.snapshot.digest, first.snapshot.size_bytes // 4
    group.handle("n3", received("n1", first))

    for at in range(3):
        later = LogPosition(LogIndex(first.snapshot.position.index + at + 1), Term(1))
        group.handle("n3", received("n1", Chunk(Term(1), digest, at * part, bytes(part))))
        group.handle("n3", ChunkStored(digest, (at + 1) * part))
        group.handle("n3", received("n1", replace(first, snapshot=SnapshotId(later, 0, 9000, bytes(32)))))

    assert group["n3"].snapshot_fetch == (first.snapshot, 3 * part)
