"""Elections beyond the paper's own claims: the traps that others fell into."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Persist, Received, Send
from coterie.protocols.quorums import Weighted
from coterie.protocols.raft import (
    PreVoteReply,
    RaftConfig,
    RaftRole,
    RequestVoteReply,
)
from coterie.protocols.replicated_log import Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, disk_of, pre_vote, request_vote, success

N2, N3 = NodeId("n2"), NodeId("n3")


def test_peer_that_went_ahead_alone_is_not_locked_out() -> None:
    """etcd #8501: a node of a newer term must be able to say so, or it neither follows nor is heard."""
    group = DirectedGroup(3, disks={"n3": disk_of(term=5)})
    group.elect("n1", "n2")
    assert group["n1"].term == 1

    group.heartbeat("n1")
    assert (group["n1"].role, group["n1"].term) == (RaftRole.FOLLOWER, 5)
    group.elect("n1")
    group.heartbeat("n1")

    assert {group[name].leader for name in group.nodes} == {"n1"}
    assert group["n3"].term == group["n1"].term == 6


def test_pre_candidate_of_an_older_term_learns_the_newer_one() -> None:
    """A long log with an old term and a short log with a new term must not block each other."""
    group = DirectedGroup(2, disks={"n1": disk_of(1, 1), "n2": disk_of(term=10)})

    group.elect("n1")

    assert group["n1"].term >= 11


def test_term_and_vote_change_in_one_write() -> None:
    """hashicorp/raft #661."""
    group = DirectedGroup(3)

    effects = group.handle("n1", Received(N2, request_vote(7)))

    (persist,) = [effect for effect in effects if isinstance(effect, Persist)]
    assert persist.write.hard_state is not None
    assert (persist.write.hard_state.term, persist.write.hard_state.voted_for) == (7, "n2")


def test_no_message_carries_a_term_that_is_not_durable() -> None:
    group = DirectedGroup(3)

    effects = group.handle(
        "n1",
        Received(N2, append(7, 0, 0)),
        Received(N3, append(6, 0, 0)),
        Received(N3, request_vote(6)),
        Received(N3, pre_vote(7)),
    )

    (token,) = [effect.token for effect in effects if isinstance(effect, Persist)]
    sent = [effect for effect in effects if isinstance(effect, Send)]
    assert len(sent) == 4
    assert [effect.after for effect in sent] == [token] * 4


def test_vote_of_one_term_is_forgotten_in_the_next() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, request_vote(7)))

    group.handle("n1", Received(N3, request_vote(8)))

    assert (group["n1"].term, group["n1"].voted_for) == (8, "n3")


def test_vote_is_kept_when_the_leader_of_the_same_term_speaks() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, request_vote(7)))

    group.handle("n1", Received(N3, append(7, 0, 0)))
    group.expire_leaders()
    group.handle("n1", Received(N3, request_vote(7)))

    assert group["n1"].voted_for == "n2"


def test_vote_and_leader_restart_the_election_timer_and_a_refusal_does_not() -> None:
    group = DirectedGroup(3, disks={"n1": disk_of(1)})
    group.now += 0.1
    first = group["n1"].deadline
    group.handle("n1", Received(N2, request_vote(7)))
    refused = group["n1"].deadline
    group.handle("n1", Received(N2, request_vote(8, 1, 1)))
    granted = group["n1"].deadline

    assert first == refused
    assert granted != refused
    assert (granted or 0.0) >= group.now + 0.2


def test_vote_that_arrives_after_the_election_changes_nothing() -> None:
    group = DirectedGroup(3)
    group.elect("n1")
    last_index = group["n1"].last_index

    effects = group.handle("n1", Received(N3, RequestVoteReply(Term(1), granted=True)))

    assert effects == []
    assert group["n1"].last_index == last_index


def test_pre_votes_of_an_earlier_round_do_not_elect() -> None:
    group = DirectedGroup(5)
    group.tick("n1")
    group.handle("n1", Received(N2, PreVoteReply(Term(1), granted=True)))
    group.tick("n1")

    group.handle("n1", Received(N3, PreVoteReply(Term(1), granted=True)))

    assert group["n1"].role is RaftRole.PRE_CANDIDATE


def test_pre_votes_of_an_older_term_do_not_elect() -> None:
    group = DirectedGroup(3)
    group.tick("n1")
    group.handle("n1", Received(N2, PreVoteReply(Term(3), granted=False)))
    group.tick("n1")

    group.handle("n1", Received(N3, PreVoteReply(Term(1), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (RaftRole.PRE_CANDIDATE, 3)


def test_own_vote_does_not_count_when_an_older_write_becomes_durable() -> None:
    group = DirectedGroup(3)
    group.handle("n1", Received(N2, append(4, 0, 0)))
    (older,) = group.record("n1").unsynced
    group.tick("n1")
    group.handle("n1", Received(N2, PreVoteReply(Term(5), granted=True)))
    group.handle("n1", Received(N2, RequestVoteReply(Term(5), granted=True)))

    group.persisted("n1", older.token)

    assert group["n1"].role is RaftRole.CANDIDATE


def test_grant_of_a_pre_vote_does_not_move_the_term() -> None:
    """The reply carries the asked term, which nobody has."""
    group = DirectedGroup(5)
    group.tick("n1")

    group.handle("n1", Received(N2, PreVoteReply(Term(1), granted=True)))

    assert group["n1"].term == 0


def test_single_voter_elects_itself_once_its_vote_is_durable() -> None:
    group = DirectedGroup(1)
    group.tick("n1")
    roles = [group["n1"].role]

    group.sync("n1")
    group.settle()

    assert [*roles, group["n1"].role] == [RaftRole.CANDIDATE, RaftRole.LEADER]
    assert group["n1"].applied_index == 1


def test_weights_decide_an_election() -> None:
    def weighted(voters: tuple[NodeId, ...]) -> RaftConfig:
        return RaftConfig(voters, Weighted({NodeId("n1"): 3, N2: 1, N3: 1}))

    group = DirectedGroup(3, config=weighted)
    for _ in range(10):
        group.expire_leaders()
        group.tick("n2")
        group.settle("n2", "n3")
    assert group["n2"].role is not RaftRole.LEADER

    group.elect("n1", "n1")
    group.propose("n1", b"a")
    group.settle("n1")

    assert group["n1"].commit_index == group["n1"].last_index


def test_pre_candidate_that_votes_for_another_stops_asking() -> None:
    group = DirectedGroup(3)
    group.tick("n1")

    group.handle("n1", Received(N2, request_vote(1)))
    group.handle("n1", Received(N3, PreVoteReply(Term(2), granted=True)))

    assert (group["n1"].role, group["n1"].term, group["n1"].voted_for) == (RaftRole.FOLLOWER, 1, "n2")


@pytest.mark.parametrize("elapsed", [0.0, 0.1, 0.199])
def test_restarted_server_votes_though_others_hear_a_leader(elapsed: float) -> None:
    """A new life has heard nobody; only its durable term and vote bind it."""
    group = DirectedGroup(3)
    group.elect("n1")
    group.crash("n3")
    group.restart("n3")
    group.now += elapsed

    group.handle("n3", Received(N2, request_vote(2, 9, 1)))

    assert group["n3"].voted_for == "n2"


def test_partly_cut_off_server_does_not_cause_elections() -> None:
    """Cloudflare, 2 November 2020: n3 hears n2 but not the leader; n2, which does, refuses it."""
    group = DirectedGroup(3)
    group.elect("n1")
    group.heartbeat("n1", "n1", "n2")
    for _ in range(100):
        if (group["n1"].deadline or 0.0) <= (group["n3"].deadline or 0.0):
            group.heartbeat("n1", "n1", "n2")
        else:
            group.tick("n3")
            group.drop(to="n1")
            group.settle("n2", "n3")

    assert (group["n1"].role, group["n1"].term, group["n3"].term) == (RaftRole.LEADER, 1, 1)
    assert len([o for o in group.observed if o.event == "raft.pre_vote_started" and o.facts["node"] == "n3"]) > 10


def test_stale_success_of_an_older_reign_does_not_count() -> None:
    group = DirectedGroup(3)
    group.elect("n1")
    group.elect("n2")
    group.elect("n1", "n3")
    group.propose("n1", b"a")
    commit = group["n1"].commit_index

    reply = success(1, group["n1"].last_index)
    group.sync("n1")
    group.handle("n1", Received(N2, reply))

    assert group["n1"].commit_index == commit
