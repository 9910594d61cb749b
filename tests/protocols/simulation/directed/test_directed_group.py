"""`DirectedGroup`, which runs directed schedules, must itself keep the rules of the algorithm interface."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft import HardState, LogWrite, PreVote, RequestVoteReply
from coterie.protocols.replicated_log import Load, LogIndex, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of, request_vote

N1 = NodeId("n1")


def test_disk_carries_out_a_write_in_its_order() -> None:
    disk = disk_of(1, 1, 1)
    new = disk_of(1, 2).entries[1]

    disk.write(LogWrite(HardState(Term(2), N1), LogIndex(2), (new,)))

    assert (disk.terms, disk.hard_state) == ([1, 2], HardState(Term(2), N1))


def test_disk_refuses_a_gap() -> None:
    with pytest.raises(ValueError, match="entry 2 does not continue a log that ends at 0"):
        RaftDisk().write(LogWrite(entries=(disk_of(1, 1).entries[1],)))


def test_disk_restores_runs_of_terms() -> None:
    restored = disk_of(1, 1, 4, voted_for="n1").restored()

    assert (restored.terms, restored.last_index) == (((1, 1), (3, 4)), 3)
    assert restored.hard_state == HardState(Term(4), N1)


@pytest.mark.parametrize(("max_bytes", "count"), [(1, 1), (5, 1), (6, 2), (100, 3)])
def test_disk_reads_what_fits_but_at_least_one(max_bytes: int, count: int) -> None:
    loaded = disk_of(1, 1, 1, 1).read(Load(N1, LogIndex(2), LogIndex(4), max_bytes))

    assert [entry.index for entry in loaded.entries] == [2, 3, 4][:count]


def test_message_waits_for_its_write() -> None:
    group = DirectedGroup(3)
    group.send("n2", "n1", request_vote(1))
    group.deliver(to="n1")
    before = list(group.network)

    group.sync("n1")

    assert before == []
    assert [flight.message for flight in group.network] == [RequestVoteReply(Term(1), granted=True)]


def test_crash_loses_what_was_not_durable() -> None:
    group = DirectedGroup(3)
    group.send("n2", "n1", request_vote(1))
    group.deliver(to="n1")

    group.crash("n1")
    group.restart("n1")

    assert group["n1"].term == 0


def test_crash_may_spare_a_prefix_of_the_writes() -> None:
    group = DirectedGroup(3)
    group.send("n2", "n1", request_vote(1))
    group.deliver(to="n1")

    group.crash("n1", surviving_writes=1)
    group.restart("n1")

    assert (group["n1"].term, group["n1"].voted_for) == (1, "n2")
    assert group.network == []


def test_dropped_messages_are_gone() -> None:
    group = DirectedGroup(3)
    group.tick("n1")

    assert len(group.drop(to="n2", kind=PreVote)) == 1
    assert [flight.to for flight in group.network] == ["n3"]


def test_node_that_is_down_is_not_there() -> None:
    group = DirectedGroup(3)
    group.crash("n1")

    with pytest.raises(KeyError, match="n1 is down"):
        _ = group["n1"]


def test_election_that_cannot_be_won_is_an_error() -> None:
    group = DirectedGroup(3)

    with pytest.raises(RuntimeError, match="n1 is not elected"):
        group.elect("n1", "n1")
