"""The claims of the Raft paper and of Ongaro's dissertation, one test each, in the paper's order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coterie.protocols.raft import (
    AppendEntries,
    AppendEntriesReply,
    HardState,
    PreVote,
    PreVoteReply,
    RaftConfig,
    RaftEffect,
    RaftMessage,
    RequestVote,
    RequestVoteReply,
    Role,
)
from coterie.protocols.raft.directed import DirectedGroup, DiskImage
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Propose, Refusal, Reject, Term
from coterie.protocols.seam import NodeId, Persist, Received, Send
from coterie.protocols.sessions import Done, Opened, Sessions, open_session, session_command


def received(sender: str, message: RaftMessage) -> Received[RaftMessage]:
    return Received(NodeId(sender), message)


def entry(index: int, term: int, command: bytes = b"x") -> Entry:
    return Entry(LogIndex(index), Term(term), EntryKind.COMMAND, command)


def append(term: int, prev: int, prev_term: int, *entries: Entry, commit: int = 0) -> AppendEntries:
    return AppendEntries(Term(term), LogIndex(prev), Term(prev_term), LogIndex(commit), entries)


def request_vote(term: int, last: int = 0, last_term: int = 0) -> RequestVote:
    return RequestVote(Term(term), LogIndex(last), Term(last_term))


def pre_vote(term: int, last: int = 0, last_term: int = 0) -> PreVote:
    return PreVote(Term(term), LogIndex(last), Term(last_term))


def sends(effects: Sequence[RaftEffect]) -> list[Send[RaftMessage]]:
    return [effect for effect in effects if isinstance(effect, Send)]


def messages(effects: Sequence[RaftEffect]) -> list[RaftMessage]:
    return [send.message for send in sends(effects)]


def led_by_n1(size: int = 3, *, disks: dict[str, DiskImage] | None = None) -> DirectedGroup:
    group = DirectedGroup(size, disks=disks)
    group.elect("n1")
    group.beat("n1")
    return group


def candidate_n1(size: int, *, disks: dict[str, DiskImage] | None = None) -> DirectedGroup:
    """n1 stands, its own vote is durable, its RequestVotes are in flight."""
    group = DirectedGroup(size, disks=disks)
    group.tick("n1")
    group.deliver(kind=PreVote)
    group.deliver(kind=PreVoteReply)
    group.sync("n1")
    return group


def role_of(group: DirectedGroup, name: str) -> Role:
    return group[name].role


def lead_until_due(group: DirectedGroup, name: str) -> None:
    """Let n1 lead n2 until node `name` is about to time out."""
    while (group["n1"].deadline or 0.0) <= (group[name].deadline or 0.0):
        group.beat("n1", "n1", "n2")


# §5.1


@pytest.mark.parametrize("message", [request_vote(7), append(7, 0, 0)], ids=["RequestVote", "AppendEntries"])
def test_server_with_a_smaller_term_updates_to_the_larger(message: RaftMessage) -> None:
    """§5.1: if one server's current term is smaller than the other's, it updates to the larger value."""
    group = DirectedGroup(3)

    group.handle("n1", received("n2", message))

    assert group["n1"].term == 7


@pytest.mark.parametrize(
    "reply",
    [
        RequestVoteReply(Term(7), granted=False),
        PreVoteReply(Term(7), granted=False),
        AppendEntriesReply(Term(7), False, LogIndex(1), LogIndex(1), Term(0)),
    ],
    ids=["RequestVoteReply", "PreVoteReply", "AppendEntriesReply"],
)
@pytest.mark.parametrize("role", [Role.CANDIDATE, Role.LEADER])
def test_candidate_or_leader_whose_term_is_out_of_date_reverts_to_follower(role: Role, reply: RaftMessage) -> None:
    """§5.1: if a candidate or leader discovers that its term is out of date, it immediately reverts to follower."""
    group = candidate_n1(3) if role is Role.CANDIDATE else led_by_n1()
    assert group["n1"].role is role

    group.handle("n1", received("n2", reply))

    assert (group["n1"].role, group["n1"].term, group["n1"].leader) == (Role.FOLLOWER, 7, None)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (request_vote(4), RequestVoteReply(Term(5), granted=False)),
        (pre_vote(5), PreVoteReply(Term(5), granted=False)),
        (append(4, 0, 0, entry(1, 4)), AppendEntriesReply(Term(5), False, LogIndex(0), LogIndex(1), Term(0))),
    ],
    ids=["RequestVote", "PreVote", "AppendEntries"],
)
def test_request_with_a_stale_term_is_rejected_with_the_own_term(request_: RaftMessage, reply: RaftMessage) -> None:
    """§5.1: if a server receives a request with a stale term number, it rejects the request."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(term=5)})

    effects = group.handle("n1", received("n2", request_))

    assert messages(effects) == [reply]
    assert (group["n1"].term, group["n1"].last_index, group["n1"].leader) == (5, 0, None)


def test_term_and_vote_and_log_survive_a_restart() -> None:
    """Figure 2: currentTerm, votedFor and log[] are persistent state."""
    group = led_by_n1()
    group.propose("n1", b"a")
    group.settle()

    group.crash("n2")
    group.restart("n2")

    raft = group["n2"]
    assert (raft.term, raft.voted_for, raft.last_index, raft.term_at(LogIndex(2))) == (1, "n1", 2, 1)
    assert (raft.commit_index, raft.applied_index, raft.role) == (0, 0, Role.FOLLOWER)


# §5.2


def test_server_begins_as_a_follower() -> None:
    """§5.2: when servers start up, they begin as followers."""
    group = DirectedGroup(3)

    assert [group[name].role for name in group.nodes] == [Role.FOLLOWER] * 3


def test_follower_that_hears_nothing_begins_an_election() -> None:
    """§5.2: no communication over the election timeout: it begins an election (with §9.6: it asks first)."""
    group = DirectedGroup(3)

    effects = group.tick("n1")

    assert group["n1"].role is Role.PRE_CANDIDATE
    assert messages(effects) == [pre_vote(1), pre_vote(1)]


def test_follower_remains_one_as_long_as_it_hears_a_leader() -> None:
    """§5.2: a server remains in follower state as long as it receives valid RPCs from a leader."""
    group = DirectedGroup(3)
    for _ in range(50):
        group.now += 0.19
        group.handle("n1", received("n2", append(1, 0, 0)))
        group.handle("n1")
        assert group["n1"].tick(now=group.now) == []

    assert group["n1"].role is Role.FOLLOWER


def test_candidate_increments_its_term_votes_for_itself_and_asks_all_others() -> None:
    """§5.2: a follower increments its current term, votes for itself and issues RequestVote RPCs in parallel."""
    group = candidate_n1(5)

    raft = group["n1"]
    assert (raft.role, raft.term, raft.voted_for) == (Role.CANDIDATE, 1, "n1")
    assert [(f.to, f.message) for f in group.network if isinstance(f.message, RequestVote)] == [
        (name, request_vote(1)) for name in ("n2", "n3", "n4", "n5")
    ]


@pytest.mark.parametrize(
    ("size", "granted", "refused", "role"),
    [
        (1, 0, 0, Role.LEADER),
        (2, 0, 0, Role.CANDIDATE),
        (2, 1, 0, Role.LEADER),
        (3, 0, 2, Role.CANDIDATE),
        (3, 1, 0, Role.LEADER),
        (4, 1, 2, Role.CANDIDATE),
        (4, 2, 0, Role.LEADER),
        (5, 1, 3, Role.CANDIDATE),
        (5, 2, 0, Role.LEADER),
        (5, 2, 2, Role.LEADER),
    ],
)
def test_candidate_wins_with_the_votes_of_a_majority(size: int, granted: int, refused: int, role: Role) -> None:
    """§5.2: a candidate wins if it receives votes from a majority of the servers in the full cluster."""
    group = candidate_n1(size)
    voters = [name for name in group.nodes if name != "n1"]

    for voter in voters[:granted]:
        group.handle("n1", received(voter, RequestVoteReply(Term(1), granted=True)))
    for voter in voters[granted : granted + refused]:
        group.handle("n1", received(voter, RequestVoteReply(Term(1), granted=False)))

    assert group["n1"].role is role


def test_vote_of_one_server_counts_once() -> None:
    """§5.2: a majority of the servers, however often one of them is heard."""
    group = candidate_n1(5)

    for _ in range(4):
        group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))

    assert group["n1"].role is Role.CANDIDATE


def test_votes_of_an_older_term_do_not_count() -> None:
    """§5.2: a majority of votes for the same term."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(term=4)})
    group.tick("n1")
    group.deliver(kind=PreVote)
    group.deliver(kind=PreVoteReply)
    group.sync("n1")

    group.handle("n1", received("n2", RequestVoteReply(Term(4), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (Role.CANDIDATE, 5)


def test_server_votes_for_at_most_one_candidate_in_a_term_first_come_first_served() -> None:
    """§5.2: each server will vote for at most one candidate in a given term, on a first-come-first-served basis."""
    group = DirectedGroup(3)

    first = group.handle("n1", received("n2", request_vote(3)))
    second = group.handle("n1", received("n3", request_vote(3)))

    assert messages(first) == [RequestVoteReply(Term(3), granted=True)]
    assert messages(second) == [RequestVoteReply(Term(3), granted=False)]
    assert group["n1"].voted_for == "n2"


def test_repeated_request_of_the_same_candidate_is_granted_again() -> None:
    """§5.5: Raft RPCs are idempotent, so a lost answer does no harm."""
    group = DirectedGroup(3)
    group.handle("n1", received("n2", request_vote(3)))

    effects = group.handle("n1", received("n2", request_vote(3)))

    assert messages(effects) == [RequestVoteReply(Term(3), granted=True)]
    assert not any(isinstance(effect, Persist) for effect in effects)


def test_vote_is_remembered_across_a_restart() -> None:
    """§5.2 with Figure 2: a server that forgot its vote could vote twice in one term."""
    group = DirectedGroup(3)
    group.handle("n1", received("n2", request_vote(3)))
    group.sync("n1")

    group.crash("n1")
    group.restart("n1")
    effects = group.handle("n1", received("n3", request_vote(3)))

    assert messages(effects) == [RequestVoteReply(Term(3), granted=False)]


def test_new_leader_speaks_to_all_at_once() -> None:
    """§5.2: once a candidate wins an election, it sends heartbeats to establish its authority."""
    group = candidate_n1(5)
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))

    effects = group.handle("n1", received("n3", RequestVoteReply(Term(1), granted=True)))

    spoken = [send.to for send in sends(effects) if isinstance(send.message, AppendEntries)]
    assert spoken == ["n2", "n3", "n4", "n5"]


def test_leader_sends_periodic_heartbeats() -> None:
    """§5.2: leaders send periodic heartbeats, AppendEntries RPCs that carry no log entries."""
    group = led_by_n1()
    beaten_at = group.now

    effects = group.tick("n1")

    assert group.now == pytest.approx(beaten_at + group.config.heartbeat_interval_s)
    assert messages(effects) == [append(1, 1, 1, commit=1)] * 2


@pytest.mark.parametrize("is_pre_candidate", [True, False])
def test_candidate_that_hears_the_leader_of_its_term_returns_to_follower(is_pre_candidate: bool) -> None:
    """§5.2: if the leader's term is at least as large as the candidate's, the candidate recognizes the leader."""
    group = candidate_n1(3)
    if is_pre_candidate:
        group.tick("n1")
    assert group["n1"].role is (Role.PRE_CANDIDATE if is_pre_candidate else Role.CANDIDATE)

    group.handle("n1", received("n2", append(1, 0, 0)))

    assert (group["n1"].role, group["n1"].leader, group["n1"].term) == (Role.FOLLOWER, "n2", 1)


def test_candidate_rejects_the_leader_of_an_older_term_and_remains() -> None:
    """§5.2: if the term in the RPC is smaller, the candidate rejects the RPC and continues in candidate state."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(term=4)})
    group.tick("n1")
    group.handle("n1", received("n3", PreVoteReply(Term(5), granted=True)))

    effects = group.handle("n1", received("n2", append(4, 0, 0)))

    assert [m.success for m in messages(effects) if isinstance(m, AppendEntriesReply)] == [False]
    assert (group["n1"].role, group["n1"].leader) == (Role.CANDIDATE, None)


def test_split_vote_ends_with_a_new_election_in_a_new_term() -> None:
    """§5.2: each candidate will time out and start a new election by incrementing its term."""
    group = candidate_n1(4)
    group.drop()
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n3", RequestVoteReply(Term(1), granted=False)))

    group.tick("n1")
    group.drop()
    for voter in ("n2", "n3"):
        group.handle("n1", received(voter, PreVoteReply(Term(2), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (Role.CANDIDATE, 2)


def test_election_timeouts_are_randomised_over_the_whole_interval() -> None:
    """§5.2: election timeouts are chosen randomly from a fixed interval, and anew at the start of each election."""
    group = DirectedGroup(3)
    waits: list[float] = []
    for _ in range(200):
        group.handle("n1", received("n2", append(1, 0, 0)))
        waits.append((group["n1"].deadline or 0.0) - group.now)
    group.tick("n1")
    waits.append((group["n1"].deadline or 0.0) - group.now)

    assert len(set(waits)) > 190
    assert 0.2 <= min(waits) < 0.22
    assert 0.38 < max(waits) <= 0.4


def test_at_most_one_leader_can_be_elected_in_a_term() -> None:
    """§5.2, Figure 3, Election Safety: two candidates of one term cannot both win."""
    group = DirectedGroup(3)
    group.tick("n1")
    group.tick("n2")
    group.settle()

    leaders = [name for name in group.nodes if group[name].role is Role.LEADER]
    assert len({group[name].term for name in leaders}) == len(leaders)
    assert len(leaders) <= 1 or group[leaders[0]].term != group[leaders[1]].term


# §5.3


def test_leader_appends_commands_as_new_entries_and_sends_them_in_parallel() -> None:
    """§5.3: the leader appends the command to its log, then issues AppendEntries RPCs in parallel."""
    group = led_by_n1()

    effects = group.handle("n1", Propose(1, b"a"), Propose(2, b"b"))

    batch = append(1, 1, 1, entry(2, 1, b"a"), entry(3, 1, b"b"), commit=1)
    assert [effect.write.entries for effect in effects if isinstance(effect, Persist)] == [batch.entries]
    assert [(send.to, send.message) for send in sends(effects)] == [("n2", batch), ("n3", batch)]


def test_leader_commits_once_a_majority_has_the_entry_and_applies_it() -> None:
    """§5.3: an entry is committed once the leader that created it has replicated it on a majority of the servers."""
    group = led_by_n1(5)
    (ref,) = group.propose("n1", b"a")
    group.sync("n1")
    group.settle("n1", "n2")
    assert (group["n1"].commit_index, group.record("n1").answered_refs) == (1, [])

    group.beat("n1", "n1", "n2", "n3")

    assert (group["n1"].commit_index, group.record("n1").answered_refs) == (2, [ref])


def test_commit_covers_preceding_entries_of_previous_leaders() -> None:
    """§5.3: this also commits all preceding entries in the leader's log, including those of previous leaders."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 1, 2)})

    group.elect("n1")

    assert (group["n1"].commit_index, group["n1"].term) == (4, 3)
    assert [e.command for e in group.record("n1").applied] == [b"1.1", b"1.2", b"2.3", b""]


def test_follower_applies_committed_entries_in_log_order() -> None:
    """§5.3: once a follower learns that a log entry is committed, it applies it in log order."""
    group = led_by_n1()
    group.propose("n1", b"a", b"b")
    group.propose("n1", b"c")
    group.settle()
    assert group["n2"].applied_index == 1

    group.beat("n1")

    assert [e.command for e in group.record("n2").applied] == [b"", b"a", b"b", b"c"]
    assert group["n2"].applied_index == 4


def test_leader_retries_until_followers_store_all_entries() -> None:
    """§5.3: if followers crash or packets are lost, the leader retries AppendEntries RPCs indefinitely."""
    group = led_by_n1()
    group.propose("n1", b"a")
    group.drop()
    group.propose("n1", b"b")
    group.drop()

    group.beat("n1")

    assert group.record("n2").disk.terms == group.record("n3").disk.terms == [1, 1, 1]


@pytest.mark.parametrize(
    ("prev", "prev_term", "is_accepted"),
    [(0, 0, True), (1, 1, True), (2, 2, True), (2, 1, False), (2, 3, False), (3, 3, False), (3, 2, False)],
)
def test_follower_refuses_entries_whose_predecessor_it_lacks(prev: int, prev_term: int, is_accepted: bool) -> None:
    """§5.3: if the follower does not find an entry with the same index and term, it refuses the new entries."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 2, term=4)})

    effects = group.handle("n1", received("n2", append(4, prev, prev_term, entry(prev + 1, 4))))

    assert [m.success for m in messages(effects) if isinstance(m, AppendEntriesReply)] == [is_accepted]
    if is_accepted:
        assert group["n1"].term_at(LogIndex(prev + 1)) == 4
    else:
        assert group["n1"].last_index == 2


def test_follower_deletes_a_conflicting_entry_and_all_that_follow_it() -> None:
    """Figure 2: if an existing entry conflicts with a new one, delete the existing entry and all that follow it."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 2, 2, 2, term=4)})

    group.handle("n1", received("n2", append(4, 1, 1, entry(2, 3))))
    group.sync("n1")

    assert group["n1"].last_index == 2
    assert group.record("n1").disk.terms == [1, 3]


def test_follower_keeps_what_follows_matching_entries() -> None:
    """Figure 2: only a conflict deletes; an old message that arrives late must not drop newer entries."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 1, 1, 1)})

    effects = group.handle("n1", received("n2", append(1, 1, 1, entry(2, 1))))

    assert group["n1"].last_index == 4
    assert messages(effects) == [AppendEntriesReply(Term(1), True, LogIndex(2), LogIndex(0), Term(0))]
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
        "n1": DiskImage.of(*FIGURE_7_LEADER, term=7),
        "n2": DiskImage.of(*FIGURE_7_FOLLOWERS[scenario], term=7),
        "n3": DiskImage.of(term=7),
    }
    group = DirectedGroup(3, disks=disks)
    group.elect("n1", "n3")

    group.beat("n1")

    assert group.record("n2").disk.terms == [*FIGURE_7_LEADER, 8]
    assert [e.command for e in group.record("n2").disk.entries] == [e.command for e in group.record("n1").disk.entries]


def test_whole_of_figure_7_elects_the_leader_with_the_votes_that_the_paper_names() -> None:
    """§5.3, Figure 7: (a), (b), (e) and (f) may vote for the leader at the top; (c) and (d) have newer logs."""
    disks = {f"n{n}": DiskImage.of(*log, term=7) for n, log in enumerate(FIGURE_7_FOLLOWERS.values(), 2)}
    group = DirectedGroup(7, disks={"n1": DiskImage.of(*FIGURE_7_LEADER, term=7), **disks})

    group.elect("n1")
    group.beat("n1")

    assert [name for name in group.nodes if group[name].voted_for == "n1"] == ["n1", "n2", "n3", "n6", "n7"]
    assert [group.record(name).disk.terms for name in group.nodes] == [[*FIGURE_7_LEADER, 8]] * 7


def test_conflicting_entries_cost_one_refusal_for_each_term() -> None:
    """§5.3, end: one AppendEntries RPC will be required for each term with conflicting entries, not one per entry."""
    disks = {"n1": DiskImage.of(1, *[5] * 60), "n2": DiskImage.of(1, *[2] * 20, *[3] * 20, *[4] * 20)}
    group = DirectedGroup(3, disks=disks)
    group.elect("n1", "n3")
    group.beat("n1")

    found = [o.facts for o in group.observed if o.event == "raft.conflict_found" and o.facts["peer"] == "n2"]
    assert len(found) <= 4
    assert group.record("n2").disk.terms == group.record("n1").disk.terms


def test_leader_never_deletes_nor_overwrites_its_own_entries() -> None:
    """§5.3, Figure 3, Leader Append-Only."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 2, 3), "n2": DiskImage.of(1, 1, 1, 1, 1)})

    group.elect("n1", "n3")
    group.beat("n1")

    assert group.record("n1").disk.terms == [1, 2, 3, 4]


def test_follower_commits_no_further_than_the_last_entry_that_was_verified() -> None:
    """Figure 2: commitIndex = min(leaderCommit, index of last new entry); what lies behind may differ."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 2, 2, 2)})

    group.handle("n1", received("n2", append(3, 1, 1, commit=4)))

    assert group["n1"].commit_index == 1


def test_follower_commits_no_further_than_its_leader() -> None:
    """Figure 2: commitIndex = min(leaderCommit, index of last new entry)."""
    group = DirectedGroup(3)

    group.handle("n1", received("n2", append(1, 0, 0, entry(1, 1), entry(2, 1), commit=1)))

    assert group["n1"].commit_index == 1


# §5.4


@pytest.mark.parametrize(
    ("voter", "last", "last_term", "is_granted"),
    [
        ((1,), 1, 1, True),
        ((1,), 1, 2, True),
        ((1,), 2, 1, True),
        ((1, 1), 1, 1, False),
        ((1, 1), 1, 2, True),
        ((2,), 1, 1, False),
        ((2,), 5, 1, False),
        ((1, 2), 2, 2, True),
        ((), 0, 0, True),
        ((1,), 0, 0, False),
    ],
)
def test_voter_refuses_a_candidate_whose_log_is_less_up_to_date(
    voter: tuple[int, ...], last: int, last_term: int, is_granted: bool
) -> None:
    """§5.4.1: the later term in the last entry is more up-to-date; with the same term, the longer log is."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(*voter, term=2)})

    pre = group.handle("n1", received("n2", pre_vote(3, last, last_term)))
    real = group.handle("n1", received("n2", request_vote(3, last, last_term)))

    assert messages(pre) == [PreVoteReply(Term(3 if is_granted else 2), is_granted)]
    assert messages(real) == [RequestVoteReply(Term(3), is_granted)]
    assert group["n1"].voted_for == ("n2" if is_granted else None)


def test_candidate_that_lacks_a_committed_entry_cannot_win() -> None:
    """§5.4.1: the voting process prevents a candidate from winning unless its log contains all committed entries."""
    group = led_by_n1()
    group.propose("n1", b"a")
    group.settle("n1", "n2")
    assert group["n1"].commit_index == 2
    group.crash("n1")

    for _ in range(5):
        group.forget_leaders()
        group.tick("n3")
        group.settle("n2", "n3")

    assert group["n3"].role is not Role.LEADER
    group.elect("n2", "n3")
    assert group["n2"].commit_index == 3


def figure_8_until_c() -> DirectedGroup:
    """Figure 8, (a) to (c): S1 leads term 2, S5 term 3, S1 term 4 and has brought its entry of term 2 to S3."""
    disks = {
        "n1": DiskImage.of(1, 2, term=3),
        "n2": DiskImage.of(1, 2, term=3),
        "n3": DiskImage.of(1, term=3),
        "n4": DiskImage.of(1, term=3),
        "n5": DiskImage.of(1, 3, term=3),
    }
    group = DirectedGroup(5, disks=disks)  # (a) S1 led term 2, (b) S5 led term 3: each wrote index 2
    group.forget_leaders()
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
    assert (group["n1"].role, group["n1"].term) == (Role.LEADER, 4)
    group.drop()
    return group


def test_entry_of_an_older_term_is_not_committed_by_counting_replicas() -> None:
    """§5.4.2, Figure 8 (c), (d): stored on a majority, and yet S5 may overwrite it."""
    group = figure_8_until_c()
    # S1's own entry of term 4 goes nowhere; its entry of term 2 reaches S3 and is acknowledged by S2 and S3.
    acknowledged = AppendEntriesReply(Term(4), True, LogIndex(2), LogIndex(0), Term(0))
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
    group.beat("n5", "n2", "n3", "n4", "n5")

    assert [group.record(name).disk.terms[:2] for name in ("n2", "n3", "n4", "n5")] == [[1, 3]] * 4
    group.restart("n1")
    group.beat("n5")
    assert group.record("n1").disk.terms[:2] == [1, 3]


def test_entry_of_the_own_term_on_a_majority_commits_everything_before_it() -> None:
    """§5.4.2, Figure 8 (e): once an entry of the current term is on a majority, S5 cannot win."""
    group = figure_8_until_c()

    group.beat("n1", "n1", "n2", "n3")

    assert group["n1"].commit_index == 3
    group.crash("n1")
    for _ in range(5):
        group.forget_leaders()
        group.tick("n5")
        group.settle("n2", "n3", "n4", "n5")
    assert group["n5"].role is not Role.LEADER


@pytest.mark.parametrize(("matched", "commit"), [(1, 0), (2, 0), (3, 3)])
def test_leader_counts_replicas_only_for_entries_of_its_own_term(matched: int, commit: int) -> None:
    """§5.4.2: only log entries from the leader's current term are committed by counting replicas."""
    group = candidate_n1(3, disks={"n1": DiskImage.of(1, 2)})
    group.drop()
    group.handle("n1", received("n2", RequestVoteReply(Term(3), granted=True)))
    group.sync("n1")

    group.handle("n1", received("n2", AppendEntriesReply(Term(3), True, LogIndex(matched), LogIndex(0), Term(0))))

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
    group = led_by_n1()
    group.crash("n3")
    for number in range(10):
        group.propose("n1", b"%d" % number)
        group.settle()

    group.restart("n3")
    group.beat("n1")

    assert group.record("n3").disk.entries == group.record("n1").disk.entries
    group.beat("n1")
    assert group["n3"].applied_index == 11


def test_heartbeat_interval_must_be_below_the_election_timeout() -> None:
    """§5.6: the broadcast time must be an order below the election timeout (at the very least below it)."""
    with pytest.raises(ValueError, match="heartbeat_interval_s < election_timeout_min_s"):
        RaftConfig((NodeId("n1"),), heartbeat_interval_s=0.2, election_timeout_min_s=0.2)


def test_service_continues_while_a_minority_is_down() -> None:
    """§5.6 and §2: fully functional as long as any majority of the servers are operational."""
    group = led_by_n1(5)
    group.crash("n1")
    group.crash("n2")

    group.elect("n3")
    (ref,) = group.propose("n3", b"a")
    group.settle()

    assert group.record("n3").answered_refs == [ref]


def test_nothing_is_committed_without_a_majority() -> None:
    """§2: safety never depends on timing or on who is there; availability does."""
    group = led_by_n1(5)
    group.propose("n1", b"a")

    group.settle("n1", "n2")
    group.beat("n1", "n1", "n2")

    assert group["n1"].commit_index == 1


# §6


def test_server_that_hears_a_leader_disregards_request_vote_and_its_term() -> None:
    """§6: within the minimum election timeout of hearing from a leader, it does not update its term or grant."""
    group = led_by_n1()
    group.beat("n1")
    group.now += 0.199

    effects = group.handle("n2", received("n3", request_vote(9, 99, 9)))

    assert effects == []
    assert (group["n2"].term, group["n2"].leader) == (1, "n1")


def test_server_that_hears_no_leader_any_more_votes() -> None:
    """§6: this does not affect normal elections, where each server waits at least a minimum election timeout."""
    group = led_by_n1()
    group.beat("n1")
    group.now += 0.2

    effects = group.handle("n2", received("n3", request_vote(9, 99, 9)))

    assert messages(effects) == [RequestVoteReply(Term(9), granted=True)]


def test_leader_disregards_request_vote() -> None:
    """§6: if a leader is able to get heartbeats to its cluster, it will not be deposed by larger term numbers."""
    group = led_by_n1()

    effects = group.handle("n1", received("n3", request_vote(9, 99, 9)))

    assert effects == []
    assert group["n1"].role is Role.LEADER


# §8


def test_new_leader_commits_a_blank_entry_of_its_term() -> None:
    """§8: each leader commits a blank no-op entry into the log at the start of its term."""
    group = DirectedGroup(3, disks={"n1": DiskImage.of(1, 1)})

    group.elect("n1")

    last = group.record("n1").disk.entries[-1]
    assert (last.index, last.term, last.kind, last.command) == (3, 2, EntryKind.NOOP, b"")
    assert group["n1"].commit_index == 3


def test_server_that_does_not_lead_rejects_and_names_the_leader() -> None:
    """§8: that server rejects the client's request and supplies information about the most recent leader."""
    group = led_by_n1()

    effects = group.handle("n2", Propose(7, b"a"))

    assert effects == [Reject(7, Refusal.NOT_LEADER, NodeId("n1"))]


def test_command_that_is_committed_twice_is_executed_once() -> None:
    """§8, dissertation §6.3: the state machine finds the serial number executed and answers without executing again."""

    class Counter:
        total = 0

        def apply(self, index: LogIndex, command: bytes, /) -> bytes:
            self.total += int(command)
            return b"%d" % self.total

    group = led_by_n1()
    group.propose("n1", open_session(1))
    group.settle()
    counter = Counter()
    sessions = Sessions(counter)
    opened = sessions.apply(LogIndex(2), group.record("n1").applied[1].command)
    assert isinstance(opened, Opened)

    command = session_command(opened.session, 1, 1, b"5")
    group.propose("n1", command, command)
    group.settle()
    replies = [sessions.apply(e.index, e.command) for e in group.record("n1").applied[2:]]

    assert replies == [Done(b"5"), Done(b"5")]
    assert counter.total == 5


# The dissertation: check-quorum (§6.2), the leader's own disk (§10.2.1), pre-vote (§9.6)


def test_leader_that_hears_no_majority_for_an_election_timeout_steps_down() -> None:
    """Dissertation §6.2: a leader steps down if an election timeout elapses without a successful round."""
    group = led_by_n1(5)
    start = group.now
    while group["n1"].role is Role.LEADER:
        group.tick("n1")
        group.settle("n1", "n2")

    assert group.now - start <= 2 * group.config.election_timeout_max_s + 1e-9
    assert (group["n1"].role, group["n1"].leader, group["n1"].term) == (Role.FOLLOWER, None, 1)


def test_leader_that_hears_a_majority_leads_on() -> None:
    """Dissertation §6.2: and no sooner."""
    group = led_by_n1(5)
    for _ in range(40):
        group.beat("n1", "n1", "n2", "n3")

    assert group["n1"].role is Role.LEADER


def test_entry_may_be_committed_before_the_leader_itself_has_written_it() -> None:
    """Dissertation §10.2.1: the leader writes to its disk in parallel; a majority of followers may do without it."""
    group = led_by_n1(3)
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
    group = led_by_n1(3)
    group.propose("n1", b"a")
    group.deliver(to="n2", kind=AppendEntries)
    group.sync("n2")
    group.deliver(to="n1")
    assert group["n1"].commit_index == 1

    group.sync("n1")

    assert group["n1"].commit_index == 2


def test_pre_vote_changes_and_writes_nothing_anywhere() -> None:
    """Dissertation §9.6: neither asking nor granting touches a term or a vote."""
    group = DirectedGroup(3)
    asked = group.tick("n1")
    granted = group.handle("n2", received("n1", pre_vote(1)))

    assert not any(isinstance(effect, Persist) for effect in [*asked, *granted])
    assert messages(granted) == [PreVoteReply(Term(1), granted=True)]
    assert [(group[n].term, group[n].voted_for) for n in ("n1", "n2")] == [(0, None)] * 2
    assert group["n2"].role is Role.FOLLOWER


def test_pre_vote_leaves_the_election_timer_of_the_voter_alone() -> None:
    """Dissertation §9.6: a grant is no promise."""
    group = DirectedGroup(3)
    before = group["n2"].deadline

    group.handle("n2", received("n1", pre_vote(1)))

    assert group["n2"].deadline == before


def test_server_stands_only_after_a_majority_would_vote_for_it() -> None:
    """Dissertation §9.6: a candidate only increments its term if it first learns that a majority would vote for it."""
    group = DirectedGroup(5)
    group.tick("n1")
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n4", PreVoteReply(Term(0), granted=False)))
    assert (group["n1"].role, group["n1"].term) == (Role.PRE_CANDIDATE, 0)

    group.handle("n1", received("n3", PreVoteReply(Term(1), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (Role.CANDIDATE, 1)


def test_pre_vote_is_refused_while_a_leader_is_heard() -> None:
    """Dissertation §9.6 with §4.2.3: no vote while heartbeats from a valid leader arrive."""
    group = led_by_n1()
    group.beat("n1")

    effects = group.handle("n2", received("n3", pre_vote(2, 99, 9)))

    assert messages(effects) == [PreVoteReply(Term(1), granted=False)]


def test_server_that_was_cut_off_does_not_disturb_when_it_returns() -> None:
    """Dissertation §9.6: Pre-Vote solves the issue of a partitioned server disrupting the cluster when it rejoins."""
    group = led_by_n1()
    for _ in range(20):
        lead_until_due(group, "n3")
        group.tick("n3")
        group.drop()
    assert (group["n3"].role, group["n3"].term) == (Role.PRE_CANDIDATE, 1)

    lead_until_due(group, "n3")
    group.tick("n3")
    group.settle()
    group.beat("n1")

    assert (group["n1"].role, group["n1"].term, group["n3"].leader) == (Role.LEADER, 1, "n1")


# Figure 2: "updated on stable storage before responding to RPCs"


def test_request_vote_waits_for_term_and_own_vote_in_one_write() -> None:
    """Figure 2: persistent state is updated on stable storage first, term and vote together."""
    group = DirectedGroup(3)
    group.tick("n1")
    effects = group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))

    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert persist.write.hard_state == HardState(Term(1), NodeId("n1"))
    assert [send.after for send in sends(effects)] == [persist.token] * 2


def test_vote_waits_for_its_write() -> None:
    """Figure 2: a vote is durable before it is given."""
    group = DirectedGroup(3)

    effects = group.handle("n1", received("n2", request_vote(3)))

    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert persist.write.hard_state == HardState(Term(3), NodeId("n2"))
    assert [send.after for send in sends(effects)] == [persist.token]


def test_own_vote_counts_only_once_it_is_durable() -> None:
    """Figure 2: the candidate is a voter like the others."""
    group = DirectedGroup(3)
    group.tick("n1")
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))
    assert role_of(group, "n1") is Role.CANDIDATE

    group.sync("n1")

    assert group["n1"].role is Role.LEADER


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
