"""What Raft claims about the log: §5.3, §5.4.2, §5.5, §5.6, §8, dissertation §10.2.1. One test each."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Persist
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft import (
    AppendEntries,
    AppendEntriesReply,
    PreVote,
    PreVoteReply,
    RaftConfig,
    RaftRole,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.raft.log.log_adoption import LogAdoption
from coterie.protocols.replicated_log import EntryKind, LogIndex, Propose, Refusal, Reject, Term
from coterie.protocols.sessions import Deduplication, Done, Opened, encode_open_session, encode_session_command
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import (
    append,
    disk_of,
    entry,
    messages,
    received,
    sends,
    success,
)


def candidate(size: int, *, disks: dict[str, RaftDisk] | None = None) -> DirectedGroup:
    group = DirectedGroup(size, disks=disks)
    group.nominate("n1")
    return group


# §5.3


def test_leader_appends_commands_as_new_entries_and_sends_them_in_parallel() -> None:
    """§5.3: the leader appends the command to its log, then issues AppendEntries RPCs in parallel."""
    group = DirectedGroup.led_by("n1")

    effects = group.handle("n1", Propose(1, b"a"), Propose(2, b"b"))

    (write,) = [effect.write for effect in effects if isinstance(effect, Persist)]
    stamp_ms = write.entries[0].stamp_ms
    entries = entry(2, 1, b"a", stamp_ms=stamp_ms), entry(3, 1, b"b", stamp_ms=stamp_ms)
    batch = append(1, 1, 1, *entries, commit=1, round_=2)
    assert write.entries == batch.entries
    assert [(send.to, send.message) for send in sends(effects)] == [("n2", batch), ("n3", batch)]


def test_leader_commits_once_a_majority_has_the_entry_and_applies_it() -> None:
    """§5.3: an entry is committed once the leader that created it has replicated it on a majority of the servers."""
    group = DirectedGroup.led_by("n1", 5)
    (ref,) = group.propose("n1", b"a")
    group.sync("n1")
    group.settle("n1", "n2")
    assert (group["n1"].commit_index, group.record("n1").answered_refs) == (1, [])

    group.heartbeat("n1", "n1", "n2", "n3")

    assert (group["n1"].commit_index, group.record("n1").answered_refs) == (2, [ref])


def test_commit_covers_preceding_entries_of_previous_leaders() -> None:
    """§5.3: this also commits all preceding entries in the leader's log, including those of previous leaders."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 1, 2)})

    group.elect("n1")

    assert (group["n1"].commit_index, group["n1"].term) == (4, 3)
    assert [e.command for e in group.record("n1").applied] == [b"1.1", b"1.2", b"2.3", b""]


def test_follower_applies_committed_entries_in_log_order() -> None:
    """§5.3: once a follower learns that a log entry is committed, it applies it in log order."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a", b"b")
    group.propose("n1", b"c")
    group.settle()
    assert group["n2"].applied_index == 1

    group.heartbeat("n1")

    assert [e.command for e in group.record("n2").applied] == [b"", b"a", b"b", b"c"]
    assert group["n2"].applied_index == 4


def test_leader_retries_until_followers_store_all_entries() -> None:
    """§5.3: if followers crash or packets are lost, the leader retries AppendEntries RPCs indefinitely."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.drop()
    group.propose("n1", b"b")
    group.drop()

    group.heartbeat("n1")

    assert group.record("n2").disk.terms == group.record("n3").disk.terms == [1, 1, 1]


@pytest.mark.parametrize(
    ("prev", "prev_term", "is_accepted"),
    [(0, 0, True), (1, 1, True), (2, 2, True), (2, 1, False), (2, 3, False), (3, 3, False), (3, 2, False)],
)
def test_follower_refuses_entries_whose_predecessor_it_lacks(prev: int, prev_term: int, is_accepted: bool) -> None:
    """§5.3: if the follower does not find an entry with the same index and term, it refuses the new entries."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 2, term=4)})

    effects = group.handle("n1", received("n2", append(4, prev, prev_term, entry(prev + 1, 4))))

    assert [m.success for m in messages(effects) if isinstance(m, AppendEntriesReply)] == [is_accepted]
    if is_accepted:
        assert group["n1"].term_at(LogIndex(prev + 1)) == 4
    else:
        assert group["n1"].last_index == 2


def test_follower_deletes_a_conflicting_entry_and_all_that_follow_it() -> None:
    """Figure 2: if an existing entry conflicts with a new one, delete the existing entry and all that follow it."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 2, 2, 2, term=4)})

    group.handle("n1", received("n2", append(4, 1, 1, entry(2, 3))))
    group.sync("n1")

    assert group["n1"].last_index == 2
    assert group.record("n1").disk.terms == [1, 3]


def test_follower_keeps_what_follows_matching_entries() -> None:
    """Figure 2: only a conflict deletes; an old message that arrives late must not drop newer entries."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 1, 1, 1)})

    effects = group.handle("n1", received("n2", append(1, 1, 1, entry(2, 1))))

    assert group["n1"].last_index == 4
    assert messages(effects) == [success(1, 2, prev=1)]
    assert not any(isinstance(effect, Persist) for effect in effects)


FIGURE_7_LEADER = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
FIGURE_7_FOLLOWERS = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("scenario", sorted(FIGURE_7_FOLLOWERS))
def test_leader_brings_every_follower_of_figure_7_into_agreement(scenario: str) -> None:
    """§5.3, Figure 7: the leader forces the followers' logs to duplicate its own."""
    disks = {
        "n1": disk_of(*FIGURE_7_LEADER, term=7),
        "n2": disk_of(*FIGURE_7_FOLLOWERS[scenario], term=7),
        "n3": disk_of(term=7),
    }
    group = DirectedGroup(3, disks=disks)
    group.elect("n1", "n3")

    group.heartbeat("n1")

    assert group.record("n2").disk.terms == [*FIGURE_7_LEADER, 8]
    assert [e.command for e in group.record("n2").disk.entries] == [e.command for e in group.record("n1").disk.entries]


def test_whole_of_figure_7_elects_the_leader_with_the_votes_that_the_paper_names() -> None:
    """§5.3, Figure 7: (a), (b), (e) and (f) may vote for the leader at the top; (c) and (d) have newer logs."""
    disks = {f"n{n}": disk_of(*log, term=7) for n, log in enumerate(FIGURE_7_FOLLOWERS.values(), 2)}
    group = DirectedGroup(7, disks={"n1": disk_of(*FIGURE_7_LEADER, term=7), **disks})

    group.elect("n1")
    group.heartbeat("n1")

    assert [name for name in group.nodes if group[name].voted_for == "n1"] == ["n1", "n2", "n3", "n6", "n7"]
    assert [group.record(name).disk.terms for name in group.nodes] == [[*FIGURE_7_LEADER, 8]] * 7


def test_conflicting_entries_cost_one_refusal_for_each_term() -> None:
    """§5.3, end: one AppendEntries RPC will be required for each term with conflicting entries, not one per entry."""
    disks = {"n1": disk_of(1, *[5] * 60), "n2": disk_of(1, *[2] * 20, *[3] * 20, *[4] * 20)}
    group = DirectedGroup(3, disks=disks)
    group.elect("n1", "n3")
    group.heartbeat("n1")

    found = [o.facts for o in group.observed if o.event == "raft.conflict_found" and o.facts["peer"] == "n2"]
    assert len(found) <= 4
    assert group.record("n2").disk.terms == group.record("n1").disk.terms


def test_leader_never_deletes_nor_overwrites_its_own_entries() -> None:
    """§5.3, Figure 3, Leader Append-Only."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 2, 3), "n2": disk_of(1, 1, 1, 1, 1)})

    group.elect("n1", "n3")
    group.heartbeat("n1")

    assert group.record("n1").disk.terms == [1, 2, 3, 4]


def test_follower_commits_no_further_than_the_last_entry_that_was_verified() -> None:
    """Figure 2: commitIndex = min(leaderCommit, index of last new entry); what lies behind may differ."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 2, 2, 2)})

    group.handle("n1", received("n2", append(3, 1, 1, commit=4)))

    assert group["n1"].commit_index == 1


def test_follower_commits_no_further_than_its_leader() -> None:
    """Figure 2: commitIndex = min(leaderCommit, index of last new entry)."""
    group = DirectedGroup(3)

    group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1), entry(2, 1), commit=1)))

    assert group["n1"].commit_index == 1


# §5.4.2


def figure_8_until_c() -> DirectedGroup:
    """Figure 8, (a) to (c): S1 leads term 2, S5 term 3, S1 term 4 and has brought its entry of term 2 to S3."""
    disks = {
        "n1": disk_of(1, 2, term=3),
        "n2": disk_of(1, 2, term=3),
        "n3": disk_of(1, term=3),
        "n4": disk_of(1, term=3),
        "n5": disk_of(1, 3, term=3),
    }
    group = DirectedGroup(5, disks=disks)  # (a) S1 led term 2, (b) S5 led term 3: each wrote index 2
    group.expire_leaders()
    group.tick("n1")  # (c) S1 is elected for term 4 by S2, S3, S4
    for kind in (PreVote, PreVoteReply):
        group.deliver(kind=kind)
    group.drop(to="n5")
    group.sync("n1")
    group.drop(to="n5")
    group.deliver(kind=RequestVote)
    for voter in ("n2", "n3", "n4"):
        group.sync(voter)
    group.deliver(kind=RequestVoteReply)
    assert (group["n1"].role, group["n1"].term) == (RaftRole.LEADER, 4)
    group.drop()
    return group


def test_entry_of_an_older_term_is_not_committed_by_counting_replicas() -> None:
    """§5.4.2, Figure 8 (c), (d): stored on a majority, and yet S5 may overwrite it."""
    group = figure_8_until_c()
    # S1's own entry of term 4 goes nowhere; its entry of term 2 reaches S3 and is acknowledged by S2 and S3.
    acknowledged = success(4, 2)
    group.send("n1", "n3", append(4, 1, 1, entry(2, 2, b"2.2")))
    group.deliver(to="n3")
    group.sync("n3")
    group.deliver(to="n1")
    group.handle("n1", received("n2", acknowledged))
    stored = [name for name in ("n1", "n2", "n3") if group.record(name).disk.terms[1:2] == [2]]
    assert stored == ["n1", "n2", "n3"]
    assert group["n1"].commit_index == 0

    group.crash("n1")  # (d) S1 crashes before its entry of term 4 is anywhere; S5 is elected by S2, S3, S4
    group.elect("n5", "n2", "n3", "n4")
    group.heartbeat("n5", "n2", "n3", "n4", "n5")

    assert [group.record(name).disk.terms[:2] for name in ("n2", "n3", "n4", "n5")] == [[1, 3]] * 4
    group.restart("n1")
    group.heartbeat("n5")
    assert group.record("n1").disk.terms[:2] == [1, 3]


def test_entry_of_the_own_term_on_a_majority_commits_everything_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """§5.4.2, Figure 8 (e): once an entry of the current term is on a majority, S5 cannot win."""
    monkeypatch.setattr(LogAdoption, "ask", lambda _: None)  # S5 has no means to get that entry, as in the paper
    group = figure_8_until_c()

    group.heartbeat("n1", "n1", "n2", "n3")

    assert group["n1"].commit_index == 3
    group.crash("n1")
    for _ in range(5):
        group.expire_leaders()
        group.tick("n5")
        group.settle("n2", "n3", "n4", "n5")
    assert group["n5"].role is not RaftRole.LEADER


@pytest.mark.parametrize(("matched", "commit"), [(1, 0), (2, 0), (3, 3)])
def test_leader_counts_replicas_only_for_entries_of_its_own_term(matched: int, commit: int) -> None:
    """§5.4.2: only log entries from the leader's current term are committed by counting replicas."""
    group = candidate(3, disks={"n1": disk_of(1, 2)})
    group.drop()
    group.handle("n1", received("n2", RequestVoteReply(Term(3), granted=True)))
    group.sync("n1")

    group.handle("n1", received("n2", success(3, matched)))

    assert group["n1"].commit_index == commit


# §5.5, §5.6


def test_append_entries_twice_changes_nothing_the_second_time() -> None:
    """§5.5: if a follower receives an AppendEntries request whose entries are already present, it ignores those."""
    group = DirectedGroup(3)
    message = append(1, 0, 0, entry(1, 1), entry(2, 1), commit=1)
    group.handle("n1", received("n2", message))

    effects = group.handle("n1", received("n2", message))

    assert not any(isinstance(effect, Persist) for effect in effects)
    assert [m.success for m in messages(effects) if isinstance(m, AppendEntriesReply)] == [True]
    assert (group["n1"].last_index, group["n1"].commit_index) == (2, 1)


def test_crashed_follower_catches_up_after_its_restart() -> None:
    """§5.5: if the crashed server restarts, then the RPC will complete successfully."""
    group = DirectedGroup.led_by("n1")
    group.crash("n3")
    for number in range(10):
        group.propose("n1", b"%d" % number)
        group.settle()

    group.restart("n3")
    group.heartbeat("n1")

    assert group.record("n3").disk.entries == group.record("n1").disk.entries
    group.heartbeat("n1")
    assert group["n3"].applied_index == 11


def test_heartbeat_interval_must_be_below_the_election_timeout() -> None:
    """§5.6: the broadcast time must be an order below the election timeout (at the very least below it)."""
    with pytest.raises(ValueError, match="heartbeat_interval_s < election_timeout_min_s"):
        RaftConfig((NodeId("n1"),), heartbeat_interval_s=0.2, election_timeout_min_s=0.2)


def test_service_continues_while_a_minority_is_down() -> None:
    """§5.6 and §2: fully functional as long as any majority of the servers are operational."""
    group = DirectedGroup.led_by("n1", 5)
    group.crash("n1")
    group.crash("n2")

    group.elect("n3")
    (ref,) = group.propose("n3", b"a")
    group.settle()

    assert group.record("n3").answered_refs == [ref]


def test_nothing_is_committed_without_a_majority() -> None:
    """§2: safety never depends on timing or on who is there; availability does."""
    group = DirectedGroup.led_by("n1", 5)
    group.propose("n1", b"a")

    group.settle("n1", "n2")
    group.heartbeat("n1", "n1", "n2")

    assert group["n1"].commit_index == 1


# §8


def test_new_leader_commits_a_blank_entry_of_its_term() -> None:
    """§8: each leader commits a blank no-op entry into the log at the start of its term."""
    group = DirectedGroup(3, disks={"n1": disk_of(1, 1)})

    group.elect("n1")

    last = group.record("n1").disk.entries[-1]
    assert (last.index, last.term, last.kind, last.command) == (3, 2, EntryKind.NOOP, b"")
    assert group["n1"].commit_index == 3


def test_server_that_does_not_lead_rejects_and_names_the_leader() -> None:
    """§8: that server rejects the client's request and supplies information about the most recent leader."""
    group = DirectedGroup.led_by("n1")

    effects = group.handle("n2", Propose(7, b"a"))

    assert effects == [Reject(7, Refusal.NOT_LEADER, NodeId("n1"))]


def test_command_that_is_committed_twice_is_executed_once() -> None:
    """§8, dissertation §6.3: the state machine finds the serial number executed and answers without executing again."""

    class Counter:
        total = 0

        def apply(self, index: LogIndex, command: bytes, /) -> bytes:
            self.total += int(command)
            return b"%d" % self.total

    group = DirectedGroup.led_by("n1")
    group.propose("n1", encode_open_session(bytes(16)))
    group.settle()
    counter = Counter()
    sessions = Deduplication(counter, incarnation=bytes(16))
    opened = sessions.apply(LogIndex(2), group.record("n1").applied[1].command)
    assert isinstance(opened, Opened)

    command = encode_session_command(opened.session, 1, 1, b"5")
    group.propose("n1", command, command)
    group.settle()
    replies = [sessions.apply(e.index, e.command) for e in group.record("n1").applied[2:]]

    assert replies == [Done(b"5"), Done(b"5")]
    assert counter.total == 5


# The leader and its own disk (dissertation §10.2.1, Figure 2)


def test_entry_may_be_committed_before_the_leader_itself_has_written_it() -> None:
    """Dissertation §10.2.1: the leader writes to its disk in parallel; a majority of followers may do without it."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.deliver(kind=AppendEntries)
    group.sync("n2")
    group.deliver(to="n1")
    assert group["n1"].commit_index == 1

    group.sync("n3")
    group.deliver(to="n1")

    assert group.record("n1").disk.terms == [1]
    assert group["n1"].commit_index == 2


def test_leader_counts_itself_only_once_its_own_write_is_durable() -> None:
    """Dissertation §10.2.1: it may count itself only after its own write is done."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.deliver(to="n2", kind=AppendEntries)
    group.sync("n2")
    group.deliver(to="n1")
    assert group["n1"].commit_index == 1

    group.sync("n1")

    assert group["n1"].commit_index == 2


def test_acknowledgement_waits_for_the_entries() -> None:
    """Figure 2: entries are durable before they are acknowledged, and so is the term that they bring."""
    group = DirectedGroup(3)

    effects = group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1))))

    tokens = [effect.token for effect in effects if isinstance(effect, Persist)]
    assert [send.after for send in sends(effects)] == [tokens[-1]]
    again = group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1))))
    assert [send.after for send in sends(again)] == [tokens[-1]]
    group.sync("n1")
    after = group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1))))
    assert [send.after for send in sends(after)] == [None]
