"""Groups whose disks take longer for a vote than an election time-out lasts: they must elect a leader nevertheless."""

from __future__ import annotations

import math

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import RaftRole
from coterie.protocols.raft.raft_observations import ELECTION_STARTED
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

STEP_S = 0.01
MESSAGE_S = 0.01


def run(group: DirectedGroup, sync_s: float, *, until_s: float, stop: bool = True) -> float | None:
    """Let time pass; each write of a node is durable `sync_s` after it was begun. Return when all follow one leader."""
    begun_by_node: dict[str, float] = {}
    started = group.now
    while group.now - started < until_s:
        group.now += STEP_S
        arriving, group.network = group.network, []
        for flight in arriving:
            group.send(flight.sender, flight.to, flight.message)
        group.deliver()
        for name, record in group.nodes.items():
            if (group[name].deadline or math.inf) <= group.now:
                group.tick(name)
            if record.unsynced and begun_by_node.setdefault(name, group.now) + sync_s <= group.now:
                del begun_by_node[name]
                group.sync(name)
            writes, record.unsynced = record.unsynced, []
            group.work(name)  # but for its writes
            record.unsynced = writes + record.unsynced
        leaders = {group[name].leader for name in group.nodes}
        if stop and len(leaders) == 1 and leaders != {None}:
            return group.now - started
    return None


@pytest.mark.parametrize("sync_s", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("size", [3, 5])
def test_a_group_on_slow_disks_elects_a_leader(size: int, sync_s: float) -> None:
    for seed in range(5):
        assert run(DirectedGroup(size, seed=seed), sync_s, until_s=60.0) is not None, seed


def test_a_leader_ends_the_long_time_outs() -> None:
    group = DirectedGroup(3)
    assert run(group, 1.0, until_s=60.0) is not None
    leader = next(name for name in group.nodes if group[name].role is RaftRole.LEADER)
    group.settle()
    group.heartbeat(leader)
    group.crash(leader)

    survivors = [NodeId(name) for name in group.nodes if group.nodes[name].raft is not None]
    waits = [(group[name].deadline or 0.0) - group.now for name in survivors]

    assert max(waits) <= group.config.election_timeout_max_s


def test_split_votes_are_repeated_without_delay_at_first() -> None:
    group = DirectedGroup(3)
    group.expire_leaders()
    for _ in range(2):
        group.nominate("n1")
        group.network = []
    started = [observed for observed in group.observed if observed.event == ELECTION_STARTED]

    assert len(started) == 2
    assert (group["n1"].deadline or 0.0) - group.now <= group.config.election_timeout_max_s
