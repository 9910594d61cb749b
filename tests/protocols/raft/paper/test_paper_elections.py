"""What Raft claims about terms, leaders and votes: §5.1, §5.2, §5.4.1, Figure 2. One test each."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import Persist
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft import (
    AppendEntries,
    AppendEntriesReply,
    PreVoteReply,
    RaftMessage,
    RaftRole,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.raft.log.log_adoption import LogAdoption
from coterie.protocols.replicated_log import LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import (
    append,
    disk_of,
    entry,
    messages,
    pre_vote,
    received,
    refusal,
    request_vote,
    sends,
)


def candidate(size: int, *, disks: dict[str, RaftDisk] | None = None) -> DirectedGroup:
    group = DirectedGroup(size, disks=disks)
    group.nominate("n1")
    return group


def role_of(group: DirectedGroup, name: str) -> RaftRole:
    return group[name].role


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
        refusal(7, 1),
    ],
    ids=["RequestVoteReply", "PreVoteReply", "AppendEntriesReply"],
)
@pytest.mark.parametrize("role", [RaftRole.CANDIDATE, RaftRole.LEADER])
def test_candidate_or_leader_whose_term_is_out_of_date_reverts_to_follower(role: RaftRole, reply: RaftMessage) -> None:
    """§5.1: if a candidate or leader discovers that its term is out of date, it immediately reverts to follower."""
    group = candidate(3) if role is RaftRole.CANDIDATE else DirectedGroup.led_by("n1")
    assert group["n1"].role is role

    group.handle("n1", received("n2", reply))

    assert (group["n1"].role, group["n1"].term, group["n1"].leader) == (RaftRole.FOLLOWER, 7, None)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (request_vote(4), RequestVoteReply(Term(5), granted=False)),
        (pre_vote(5), PreVoteReply(Term(5), granted=False)),
        (append(4, 0, 0, entry(1, 4)), refusal(5, 0, (0, 0))),
    ],
    ids=["RequestVote", "PreVote", "AppendEntries"],
)
def test_request_with_a_stale_term_is_rejected_with_the_own_term(request_: RaftMessage, reply: RaftMessage) -> None:
    """§5.1: if a server receives a request with a stale term number, it rejects the request."""
    group = DirectedGroup(3, disks={"n1": disk_of(term=5)})

    effects = group.handle("n1", received("n2", request_))

    assert messages(effects) == [reply]
    assert (group["n1"].term, group["n1"].last_index, group["n1"].leader) == (5, 0, None)


def test_term_and_vote_and_log_survive_a_restart() -> None:
    """Figure 2: currentTerm, votedFor and log[] are persistent state."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle()

    group.crash("n2")
    group.restart("n2")

    raft = group["n2"]
    assert (raft.term, raft.voted_for, raft.last_index, raft.term_at(LogIndex(2))) == (1, "n1", 2, 1)
    assert (raft.commit_index, raft.applied_index, raft.role) == (0, 0, RaftRole.FOLLOWER)


# §5.2


def test_server_begins_as_a_follower() -> None:
    """§5.2: when servers start up, they begin as followers."""
    group = DirectedGroup(3)

    assert [group[name].role for name in group.nodes] == [RaftRole.FOLLOWER] * 3


def test_follower_that_hears_nothing_begins_an_election() -> None:
    """§5.2: no communication over the election timeout: it begins an election (with §9.6: it asks first)."""
    group = DirectedGroup(3)

    effects = group.tick("n1")

    assert group["n1"].role is RaftRole.PRE_CANDIDATE
    assert messages(effects) == [pre_vote(1), pre_vote(1)]


def test_follower_remains_one_as_long_as_it_hears_a_leader() -> None:
    """§5.2: a server remains in follower state as long as it receives valid RPCs from a leader."""
    group = DirectedGroup(3)
    for _ in range(50):
        group.now += 0.19
        group.handle("n1", received("n2", append(1, 0, 0)))
        group.handle("n1")
        assert group["n1"].tick(now=group.now) == []

    assert group["n1"].role is RaftRole.FOLLOWER


def test_candidate_increments_its_term_votes_for_itself_and_asks_all_others() -> None:
    """§5.2: a follower increments its current term, votes for itself and issues RequestVote RPCs in parallel."""
    group = candidate(5)

    raft = group["n1"]
    assert (raft.role, raft.term, raft.voted_for) == (RaftRole.CANDIDATE, 1, "n1")
    assert [(f.to, f.message) for f in group.network if isinstance(f.message, RequestVote)] == [
        (name, request_vote(1)) for name in ("n2", "n3", "n4", "n5")
    ]


@pytest.mark.parametrize(
    ("size", "granted", "refused", "role"),
    [
        (1, 0, 0, RaftRole.LEADER),
        (2, 0, 0, RaftRole.CANDIDATE),
        (2, 1, 0, RaftRole.LEADER),
        (3, 0, 2, RaftRole.CANDIDATE),
        (3, 1, 0, RaftRole.LEADER),
        (4, 1, 2, RaftRole.CANDIDATE),
        (4, 2, 0, RaftRole.LEADER),
        (5, 1, 3, RaftRole.CANDIDATE),
        (5, 2, 0, RaftRole.LEADER),
        (5, 2, 2, RaftRole.LEADER),
    ],
)
def test_candidate_wins_with_the_votes_of_a_majority(size: int, granted: int, refused: int, role: RaftRole) -> None:
    """§5.2: a candidate wins if it receives votes from a majority of the servers in the full cluster."""
    group = candidate(size)
    voters = [name for name in group.nodes if name != "n1"]

    for voter in voters[:granted]:
        group.handle("n1", received(voter, RequestVoteReply(Term(1), granted=True)))
    for voter in voters[granted : granted + refused]:
        group.handle("n1", received(voter, RequestVoteReply(Term(1), granted=False)))

    assert group["n1"].role is role


def test_vote_of_one_server_counts_once() -> None:
    """§5.2: a majority of the servers, however often one of them is heard."""
    group = candidate(5)

    for _ in range(4):
        group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))

    assert group["n1"].role is RaftRole.CANDIDATE


def test_votes_of_an_older_term_do_not_count() -> None:
    """§5.2: a majority of votes for the same term."""
    group = candidate(3, disks={"n1": disk_of(term=4)})

    group.handle("n1", received("n2", RequestVoteReply(Term(4), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (RaftRole.CANDIDATE, 5)


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
    group = candidate(5)
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))

    effects = group.handle("n1", received("n3", RequestVoteReply(Term(1), granted=True)))

    spoken = [send.to for send in sends(effects) if isinstance(send.message, AppendEntries)]
    assert spoken == ["n2", "n3", "n4", "n5"]


def test_leader_sends_periodic_heartbeats() -> None:
    """§5.2: leaders send periodic heartbeats, AppendEntries RPCs that carry no log entries."""
    group = DirectedGroup.led_by("n1")
    beaten_at = group.now

    effects = group.tick("n1")

    assert group.now == pytest.approx(beaten_at + group.config.heartbeat_interval_s)
    assert messages(effects) == [append(1, 1, 1, commit=1, round_=3)] * 2


@pytest.mark.parametrize("is_pre_candidate", [True, False])
def test_candidate_that_hears_the_leader_of_its_term_returns_to_follower(is_pre_candidate: bool) -> None:
    """§5.2: if the leader's term is at least as large as the candidate's, the candidate recognizes the leader."""
    group = candidate(3)
    if is_pre_candidate:
        group.tick("n1")
    assert group["n1"].role is (RaftRole.PRE_CANDIDATE if is_pre_candidate else RaftRole.CANDIDATE)

    group.handle("n1", received("n2", append(1, 0, 0)))

    assert (group["n1"].role, group["n1"].leader, group["n1"].term) == (RaftRole.FOLLOWER, "n2", 1)


def test_candidate_rejects_the_leader_of_an_older_term_and_remains() -> None:
    """§5.2: if the term in the RPC is smaller, the candidate rejects the RPC and continues in candidate state."""
    group = DirectedGroup(3, disks={"n1": disk_of(term=4)})
    group.tick("n1")
    group.handle("n1", received("n3", PreVoteReply(Term(5), granted=True)))

    effects = group.handle("n1", received("n2", append(4, 0, 0)))

    assert [m.success for m in messages(effects) if isinstance(m, AppendEntriesReply)] == [False]
    assert (group["n1"].role, group["n1"].leader) == (RaftRole.CANDIDATE, None)


def test_split_vote_ends_with_a_new_election_in_a_new_term() -> None:
    """§5.2: each candidate will time out and start a new election by incrementing its term."""
    group = candidate(4)
    group.drop()
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n3", RequestVoteReply(Term(1), granted=False)))

    group.tick("n1")
    group.drop()
    for voter in ("n2", "n3"):
        group.handle("n1", received(voter, PreVoteReply(Term(2), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (RaftRole.CANDIDATE, 2)


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

    leaders = [name for name in group.nodes if group[name].role is RaftRole.LEADER]
    assert len({group[name].term for name in leaders}) == len(leaders)
    assert len(leaders) <= 1 or group[leaders[0]].term != group[leaders[1]].term


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
    group = DirectedGroup(3, disks={"n1": disk_of(*voter, term=2)})

    pre = group.handle("n1", received("n2", pre_vote(3, last, last_term)))
    real = group.handle("n1", received("n2", request_vote(3, last, last_term)))

    (pre_reply,) = messages(pre)
    assert isinstance(pre_reply, PreVoteReply)
    assert (pre_reply.term, pre_reply.granted) == (3 if is_granted else 2, is_granted)
    assert messages(real) == [RequestVoteReply(Term(3), is_granted)]
    assert group["n1"].voted_for == ("n2" if is_granted else None)


def test_candidate_that_lacks_a_committed_entry_cannot_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """§5.4.1: the voting process prevents a candidate from winning unless its log contains all committed entries."""
    monkeypatch.setattr(LogAdoption, "ask", lambda _: None)  # it has no means to get that entry, as in the paper
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle("n1", "n2")
    assert group["n1"].commit_index == 2
    group.crash("n1")

    for _ in range(5):
        group.expire_leaders()
        group.tick("n3")
        group.settle("n2", "n3")

    assert group["n3"].role is not RaftRole.LEADER
    group.elect("n2", "n3")
    assert group["n2"].commit_index == 3


# Figure 2: "updated on stable storage before responding to RPCs"


def test_request_vote_waits_for_term_and_own_vote_in_one_write() -> None:
    """Figure 2: persistent state is updated on stable storage first, term and vote together."""
    group = DirectedGroup(3)
    group.tick("n1")
    effects = group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))

    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert persist.write.hard_state is not None
    assert (persist.write.hard_state.term, persist.write.hard_state.voted_for) == (1, "n1")
    assert [send.after for send in sends(effects)] == [persist.token] * 2


def test_vote_waits_for_its_write() -> None:
    """Figure 2: a vote is durable before it is given."""
    group = DirectedGroup(3)

    effects = group.handle("n1", received("n2", request_vote(3)))

    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert persist.write.hard_state is not None
    assert (persist.write.hard_state.term, persist.write.hard_state.voted_for) == (3, "n2")
    assert [send.after for send in sends(effects)] == [persist.token]


def test_own_vote_counts_only_once_it_is_durable() -> None:
    """Figure 2: the candidate is a voter like the others."""
    group = DirectedGroup(3)
    group.tick("n1")
    group.handle("n1", received("n2", PreVoteReply(Term(1), granted=True)))
    group.handle("n1", received("n2", RequestVoteReply(Term(1), granted=True)))
    assert role_of(group, "n1") is RaftRole.CANDIDATE

    group.sync("n1")

    assert group["n1"].role is RaftRole.LEADER
