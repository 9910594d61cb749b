"""A leader and its followers: backing up, the window, losses, old entries, isolation."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.checking.raft_disk import founded
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftConfig, RaftRole
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.replicated_log import Load, Loaded, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, refusal, request_vote

N1, N2 = NodeId("n1"), NodeId("n2")


def leadership(*terms: int) -> Leadership:
    disk, register = disk_of(*terms), founded((N1, N2))
    disk.found(register)
    restored = disk.restored()
    log, outbox = RaftLog(restored.terms, restored.last_index), Outbox(N1)
    return Leadership(
        N1,
        Term(9),
        now=0.0,
        config=RaftConfig((N1, N2)),
        electorate=Electorate(N1, N1, register.facts.membership),
        log=log,
        durability=Durability(restored),
        loading=EntryLoading(log, outbox),
        outbox=outbox,
    )


def narrow(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, max_append_entries=2, max_inflight_entries=4)


def forgetful(voters: tuple[NodeId, ...]) -> RaftConfig:
    return RaftConfig(voters, cache_entries=1, max_append_entries=3)


def appended(group: DirectedGroup, to: str) -> list[tuple[int, int]]:
    """What is in flight to a node: (prev_log_index, number of entries)."""
    return [
        (flight.message.prev_log_index, len(flight.message.entries))
        for flight in group.network
        if flight.to == to and isinstance(flight.message, AppendEntries)
    ]


@pytest.mark.parametrize(
    ("terms", "reply", "next_index"),
    [
        ((1, 1, 1, 4, 4), refusal(9, 5, (2, 1), (0, 0)), 3),  # the follower's log is too short
        ((1, 1, 1, 4, 4), refusal(9, 5, (5, 2), (3, 1), (0, 0)), 4),  # its term 2 is not ours: the next hint is
        ((1, 1, 1, 4, 4), refusal(9, 5, (5, 1), (0, 0)), 4),  # its run of term 1 is longer than ours
        ((1, 2, 3, 3, 3), refusal(9, 2, (1, 1), (0, 0)), 2),
        ((1, 1), refusal(9, 1, (0, 0)), 1),
        ((1, 1), refusal(9, 1, (9, 9)), 1),  # nonsense still makes progress
        ((1, 1), refusal(9, 1), 1),
    ],
)
def test_next_index_after_a_refusal(terms: tuple[int, ...], reply: AppendEntriesReply, next_index: int) -> None:
    assert leadership(*terms).next_index_after(reply) == next_index


def test_every_refusal_makes_progress() -> None:
    led = leadership(1, 2, 2, 5, 5, 5)

    for refused in range(1, 7):
        for index in range(-1, refused + 3):
            for term in range(-1, 9):
                assert 1 <= led.next_index_after(refusal(9, refused, (index, term))) <= refused


def test_stale_refusal_takes_nothing_back() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a", b"b")
    group.settle()

    group.handle("n1", Received(N2, refusal(1, 1)))
    group.propose("n1", b"c")

    assert appended(group, "n2") == [(3, 1)]


def test_pipeline_goes_on_without_answers_until_the_window_is_full() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)

    for command in (b"a", b"b", b"c", b"d", b"e"):
        group.propose("n1", command)

    assert appended(group, "n2") == [(1, 1), (2, 1), (3, 1), (4, 1)]


def test_window_opens_again_with_the_answers() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    group.propose("n1", *[b"%d" % number for number in range(9)])
    assert appended(group, "n2") == [(1, 2), (3, 2)]

    group.settle()

    assert group["n1"].commit_index == 10


def test_lost_window_is_healed_by_a_heartbeat() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    group.propose("n1", *[b"%d" % number for number in range(9)])
    group.drop()
    assert appended(group, "n2") == []

    group.heartbeat("n1")

    assert group["n1"].commit_index == 10


def test_lost_answers_are_healed_by_a_heartbeat() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    group.propose("n1", *[b"%d" % number for number in range(9)])
    group.deliver(kind=AppendEntries)
    for name in group.nodes:
        group.sync(name)
    group.drop()

    group.heartbeat("n1")

    assert group["n1"].commit_index == 10


def test_lost_probe_is_healed_by_a_heartbeat() -> None:
    group = DirectedGroup(3, disks={"n1": disk_of(1, 1, 1)})
    group.elect("n1", "n2")

    group.heartbeat("n1")

    assert group.record("n3").disk.terms == [1, 1, 1, 2]


def test_reordered_messages_end_in_the_same_log() -> None:
    group = DirectedGroup.led_by("n1", config=narrow)
    group.propose("n1", b"a")
    group.propose("n1", b"b")
    group.network.reverse()

    group.settle()
    group.heartbeat("n1")

    assert group.record("n2").disk.entries == group.record("n3").disk.entries == group.record("n1").disk.entries


def test_old_entries_are_read_from_the_disk_for_a_follower_that_lags() -> None:
    group = DirectedGroup.led_by("n1", config=forgetful)
    group.crash("n3")
    for number in range(8):
        group.propose("n1", b"%d" % number)
        group.settle()

    group.restart("n3")
    group.heartbeat("n1")

    assert group.record("n3").disk.entries == group.record("n1").disk.entries


def lagging_n2() -> DirectedGroup:
    """n2 has matched entry 1 of eight; a Load for it is open."""
    group = DirectedGroup.led_by("n1", config=forgetful)
    for number in range(7):
        group.propose("n1", b"%d" % number)
        group.settle("n1", "n3")
    group.tick("n1")
    group.deliver(sender="n1", to="n2")
    group.deliver(sender="n2", to="n1")
    group.deliver(sender="n1", to="n2")
    group.deliver(sender="n2", to="n1")
    return group


def test_one_load_for_each_follower_is_open() -> None:
    group = lagging_n2()
    assert [load.reader for load in group.record("n1").loads] == [N2]

    group.handle("n1")
    group.handle("n1")

    assert [(load.reader, load.first) for load in group.record("n1").loads] == [(N2, 2)]


def test_loaded_entries_are_sent() -> None:
    group = lagging_n2()
    (load,) = group.record("n1").loads
    group.drop()

    group.handle("n1", group.record("n1").disk.read(load))

    assert appended(group, "n2") == [(1, 3)]


def test_loaded_entries_of_an_ended_reign_are_not_sent() -> None:
    group = lagging_n2()
    (load,) = group.record("n1").loads
    loaded = group.record("n1").disk.read(load)
    group.handle("n1", Received(N2, refusal(5, 0)))
    group.drop()

    group.handle("n1", loaded)

    assert group.network == []


def test_load_that_no_longer_fits_is_dropped_and_asked_for_again() -> None:
    group = lagging_n2()
    (load,) = group.record("n1").loads
    stale = disk_of(1, 3, 3, 3).read(load)
    group.drop()
    group.record("n1").loads.clear()

    effects = group.handle("n1", Loaded(load.reader, load.first, stale.entries))

    assert appended(group, "n2") == []
    assert [effect for effect in effects if isinstance(effect, Load)] == [load]


def test_leader_that_was_cut_off_is_deposed_by_its_own_check() -> None:
    """Check-quorum, without which pre-vote could leave an isolated leader forever."""
    group = DirectedGroup.led_by("n1")
    for _ in range(100):
        group.tick("n1")
        group.drop()
        if group["n1"].role is not RaftRole.LEADER:
            break

    assert group["n1"].role is RaftRole.FOLLOWER
    assert [o.facts["reason"] for o in group.observed if o.event == "raft.stepped_down"] == ["no_quorum"]


def test_refusals_count_as_being_heard() -> None:
    group = DirectedGroup(2, disks={"n1": disk_of(*[1] * 40), "n2": disk_of(term=1)})
    group.elect("n1")
    for _ in range(20):
        group.tick("n1")
        group.deliver(to="n2")
        group.deliver(to="n1")
        assert group["n1"].role is RaftRole.LEADER


def test_new_leader_of_a_long_log_starts_at_its_end() -> None:
    """Figure 2: nextIndex is initialised to the leader's last index + 1."""
    group = DirectedGroup(3, disks={f"n{n}": disk_of(1, 1, 1) for n in (1, 2, 3)})
    group.elect("n1", "n2")

    assert not [o for o in group.observed if o.event == "raft.conflict_found"]
    assert group.record("n2").disk.terms == [1, 1, 1, 2]


def test_vote_requests_do_not_reach_a_leader_through_its_followers() -> None:
    group = DirectedGroup.led_by("n1")
    group.heartbeat("n1")
    group.send("n3", "n2", request_vote(8, 99, 8))

    group.settle()

    assert (group["n1"].role, group["n1"].term) == (RaftRole.LEADER, 1)


def test_a_leader_waits_for_its_own_disk_only_once_a_peer_has_what_is_not_committed() -> None:
    group = DirectedGroup.led_by("n1")
    group.settle()
    waits = []
    group.propose("n1", b"a")
    waits.append(group["n1"].waits_for_own_disk)

    group.deliver(sender="n1", to="n2")
    group.sync("n2")
    group.deliver(sender="n2", to="n1")
    waits.append(group["n1"].waits_for_own_disk)
    group.sync("n1")
    waits.append(group["n1"].waits_for_own_disk)

    assert group["n1"].commit_index == group["n1"].last_index
    assert waits == [False, True, False]


def test_a_leader_whose_vote_alone_decides_always_waits_for_its_own_disk() -> None:
    group = DirectedGroup.led_by("n1", 1)
    group.settle()
    assert group["n1"].waits_for_own_disk


def test_a_candidate_waits_for_its_own_disk_and_a_follower_does_not() -> None:
    group = DirectedGroup.led_by("n1")
    group.settle()
    waits = [group["n2"].waits_for_own_disk]
    group.expire_leaders()
    group.nominate("n2")
    waits.append(group["n2"].waits_for_own_disk)
    assert group["n2"].role is not RaftRole.FOLLOWER
    assert waits == [False, True]
