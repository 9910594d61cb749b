"""Raft as its driver sees it: timers, batches, proposals, messages of unknown nodes."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import Algorithm, NodeId, Persist, Persisted, Received, Send, Token
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.raft import (
    HardState,
    PreVoteReply,
    Raft,
    RaftConfig,
    RaftEffect,
    RaftEvent,
    RaftRole,
    RequestVoteReply,
    Restored,
)
from coterie.protocols.replicated_log import Apply, LogIndex, Propose, Refusal, Reject, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import append, disk_of, entry, request_vote, success

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
CONFIG = RaftConfig((N1, N2, N3))
FOUNDED = founded(CONFIG.voters)


def raft(node_id: NodeId = N1, config: RaftConfig = CONFIG, restored: Restored | None = None) -> Raft:
    return Raft(node_id, config, restored=restored or Restored(founded(config.voters)), rng=random.Random(1))


def overloaded_soon(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, max_uncommitted_entries=2)


def test_raft_is_an_algorithm() -> None:
    algorithm: Algorithm[RaftEvent, RaftEffect] = raft()

    assert algorithm.deadline == 0.0


def test_first_tick_only_arms_the_timers() -> None:
    node = raft()

    effects = node.tick(now=1000.0)

    assert effects == []
    assert 1000.2 <= (node.deadline or 0.0) <= 1000.4
    assert node.role is RaftRole.FOLLOWER


def test_first_batch_arms_the_timers_too() -> None:
    node = raft()

    node.handle([], now=1000.0)

    assert 1000.2 <= (node.deadline or 0.0) <= 1000.4


def test_early_tick_does_nothing() -> None:
    node = raft()
    node.tick(now=1.0)

    assert node.tick(now=1.19) == []
    assert node.role is RaftRole.FOLLOWER


def test_batch_of_proposals_is_one_write_and_one_message_to_each_follower() -> None:
    group = DirectedGroup.led_by("n1", 5)

    effects = group.handle("n1", *[Propose(ref, b"x") for ref in range(64)])

    assert [type(effect) for effect in effects] == [Persist, Send, Send, Send, Send]
    assert len(effects[0].write.entries) == 64 if isinstance(effects[0], Persist) else False


def test_writes_come_before_everything_that_may_wait_for_them() -> None:
    group = DirectedGroup(3)

    effects = group.handle(
        "n1",
        Received(N2, request_vote(3)),
        Received(N3, request_vote(4)),
    )

    kinds = [isinstance(effect, Persist) for effect in effects]
    assert kinds == sorted(kinds, reverse=True)
    states = [effect.write.hard_state for effect in effects if isinstance(effect, Persist)]
    assert states == [replace(FOUNDED, term=Term(3), voted_for=N2), replace(FOUNDED, term=Term(4), voted_for=N3)]
    assert [effect.after for effect in effects if isinstance(effect, Send)] == [1, 2]


def test_leaders_new_entries_do_not_wait_for_its_own_write() -> None:
    group = DirectedGroup.led_by("n1")

    effects = group.handle("n1", Propose(1, b"a"))

    assert [effect.after for effect in effects if isinstance(effect, Send)] == [None, None]


def test_proposals_of_a_deposed_leader_are_rejected_as_lost_with_the_new_leader() -> None:
    group = DirectedGroup.led_by("n1")
    refs = group.propose("n1", b"a", b"b")
    group.drop()

    effects = group.handle("n1", Received(N2, append(2, 1, 1)))

    rejected = [effect for effect in effects if isinstance(effect, Reject)]
    assert rejected == [Reject(ref, Refusal.LEADERSHIP_LOST, N2) for ref in refs]


def test_proposal_that_was_rejected_as_lost_and_commits_later_is_applied_without_ref() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.sync("n1")
    group.drop()
    group.handle("n1", Received(N2, PreVoteReply(Term(5), granted=False)))

    group.elect("n1")

    assert [e.command for e in group.record("n1").applied] == [b"", b"a", b""]
    assert group.record("n1").answered_refs == []
    assert [reject.reason for reject in group.record("n1").rejects] == [Refusal.LEADERSHIP_LOST]


def test_leader_without_quorum_answers_its_clients() -> None:
    group = DirectedGroup.led_by("n1")
    (ref,) = group.propose("n1", b"a")
    while group["n1"].role is RaftRole.LEADER:
        group.tick("n1")
        group.drop()

    assert group.record("n1").rejects == [Reject(ref, Refusal.LEADERSHIP_LOST, None)]


def test_candidate_knows_no_leader_to_send_clients_to() -> None:
    group = DirectedGroup.led_by("n1")
    group.tick("n2")

    assert group.handle("n2", Propose(1, b"a")) == [Reject(1, Refusal.NOT_LEADER, None)]


def test_too_many_proposals_are_refused_until_some_are_applied() -> None:
    group = DirectedGroup.led_by("n1", config=overloaded_soon)
    refs = group.propose("n1", b"a", b"b", b"c")
    assert group.record("n1").rejects == [Reject(refs[2], Refusal.OVERLOADED, N1)]
    assert group["n1"].last_index == 3

    group.settle()
    group.propose("n1", b"d")

    assert len(group.record("n1").rejects) == 1


def test_senders_of_which_nothing_is_known_are_ignored() -> None:
    it = raft(N1)
    it.tick(now=0.0)

    assert it.handle([Received(NodeId("x"), request_vote(9, 9, 9))], now=0.0) == []
    assert it.handle([Received(N1, request_vote(9, 9, 9))], now=0.0) == []
    assert it.term == 0


def test_message_that_makes_no_sense_is_discarded_and_told() -> None:
    group = DirectedGroup(3)
    gap = entry(3, 1, b"")

    effects = group.handle("n1", Received(N2, append(1, 0, 0, gap)))

    assert [effect for effect in effects if isinstance(effect, Send | Persist)] == []
    assert [observed.event for observed in group.observed] == ["raft.message_discarded"]
    assert group["n1"].term == 0


def test_success_beyond_the_leaders_log_commits_nothing_that_is_not_there() -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n1", Received(N2, success(1, 99)))
    group.handle("n1", Received(N3, success(1, 99)))

    assert group["n1"].commit_index == group["n1"].last_index == 1


def test_stale_durability_after_an_overwrite_acknowledges_nothing() -> None:
    """etcd raft PR #8: the follower's entry 1 of term 1 is being written while the leader of term 2 replaces it."""
    group = DirectedGroup(3)
    old, new = (entry(1, term, b"") for term in (1, 2))
    group.handle("n1", Received(N2, append(1, 0, 0, old)))
    group.handle("n1", Received(N3, append(2, 0, 0, new)))

    effects = group.handle("n1", Persisted(Token(1)), Received(N3, append(2, 1, 2)))

    last_write = max(persist.token for persist in group.record("n1").unsynced)
    (send,) = [effect for effect in effects if isinstance(effect, Send)]
    assert send.after == last_write > 1


def test_stale_durability_after_an_overwrite_does_not_count_for_the_leader() -> None:
    """The same on a node that leads again: it must not count what it once wrote there."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"lost")
    stale = group.record("n1").unsynced[-1].token
    group.drop()
    new = entry(2, 2, b"new")
    group.handle("n1", Received(N2, append(2, 1, 1, new, commit=1)))

    group.handle("n1", Persisted(stale))

    assert group["n1"]._durability.durable_index == 1


def test_a_register_that_names_no_group_is_refused() -> None:
    restored = Restored(HardState(Term(0), None))

    with pytest.raises(ValueError, match="the register of n1 names no group: found one, or let it join one"):
        Raft(N1, RaftConfig((N1, N2, N3)), restored=restored, rng=random.Random(0))


def test_log_that_is_newer_than_the_hard_state_halts() -> None:
    restored = Restored(replace(FOUNDED, term=Term(1)), ((LogIndex(1), Term(2)),), LogIndex(1))

    with pytest.raises(InvariantViolated, match="has term 2, its hard state only 1"):
        raft(restored=restored)


def test_call_keeps_no_hold_of_the_batch() -> None:
    node = raft()
    events: list[RaftEvent] = [Propose(1, b"a")]

    first = node.handle(events, now=1.0)
    events.append(Propose(2, b"b"))
    second = node.handle([], now=1.0)

    assert (len(first), second) == (1, [])


def test_memory_is_bounded_by_the_cache_once_entries_are_durable() -> None:
    def small(voters: tuple[NodeId, ...]) -> RaftConfig:
        return RaftConfig(voters, cache_entries=10)

    group = DirectedGroup.led_by("n1", config=small)
    for _ in range(20):
        group.propose("n1", *[b"x"] * 20)
        group.settle()
        group.heartbeat("n1")

    assert [len(group[name]._log._entries) for name in group.nodes] == [10, 10, 10]
    assert {group[name].applied_index for name in group.nodes} == {401}


def test_leader_applies_what_a_quorum_has_and_answers_each_ref_once() -> None:
    group = DirectedGroup.led_by("n1")
    refs = [ref for _ in range(10) for ref in group.propose("n1", b"a", b"b")]

    group.settle()

    assert group.record("n1").answered_refs == refs
    assert group.record("n2").answered_refs == []


def test_apply_carries_the_refs_by_index() -> None:
    group = DirectedGroup(1)
    group.elect("n1")
    group.handle("n1", Propose(41, b"a"), Propose(42, b"b"))

    effects = group.handle("n1", Persisted(group.record("n1").unsynced[-1].token))

    assert [effect.refs for effect in effects if isinstance(effect, Apply)] == [{2: 41, 3: 42}]


def test_vote_reply_from_a_dead_life_is_harmless() -> None:
    """A restarted candidate follows in its term; a late vote must not make it lead without its votes."""
    group = DirectedGroup(3)
    group.tick("n1")
    group.handle("n1", Received(N2, PreVoteReply(Term(1), granted=True)))
    group.sync("n1")
    group.crash("n1")
    group.restart("n1")

    group.handle("n1", Received(N2, RequestVoteReply(Term(1), granted=True)))

    assert (group["n1"].role, group["n1"].term) == (RaftRole.FOLLOWER, 1)


def test_group_that_was_stopped_as_a_whole_keeps_what_was_committed() -> None:
    """PySyncObj #84: nothing that counts may live in memory only."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a", b"b")
    group.settle()
    for name in group.nodes:
        group.crash(name)
    for name in group.nodes:
        group.restart(name)

    group.elect("n2")

    assert [e.command for e in group.record("n2").applied] == [b"", b"a", b"b", b""]


def test_disk_of_a_lagging_restart_is_caught_up_from_scratch() -> None:
    group = DirectedGroup(3, disks={"n1": disk_of(*range(1, 30))})
    group.elect("n1", "n2")
    group.heartbeat("n1")

    assert [group.record(name).disk.terms for name in group.nodes] == [list(range(1, 31))] * 3


def test_importing_raft_loads_no_event_loop() -> None:
    program = "import sys, coterie.protocols.raft; sys.exit('asyncio' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
