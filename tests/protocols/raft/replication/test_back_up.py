"""Back-up: however two logs differ, a few refusals find where they part, and then they become equal."""

from __future__ import annotations

import random
from math import ceil

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_log import HINTS_MAX
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.raft_shorthand import disk_of


def refusals(leader: list[int], follower: list[int]) -> int:
    """Elect n1 with the log `leader`, let it repair n2; return how many refusals that took."""
    group = DirectedGroup(3, disks={"n1": disk_of(*leader), "n2": disk_of(*follower)})
    group.elect("n1", "n3")
    for _ in range(3):
        group.heartbeat("n1")
    assert group.record("n2").disk.entries == group.record("n1").disk.entries
    return len([o for o in group.observed if o.event == "raft.conflict_found" and o.facts["peer"] == "n2"])


HUNDRED = range(2, 102)

SHAPES = {
    "the follower is empty": ([1] * 300, []),
    "the follower lacks the end": ([1] * 300, [1] * 20),
    "the follower has a tail of a hundred terms": ([1, 103], [1, *HUNDRED]),
    "the follower has a long tail of one term": ([1, *[3] * 10], [1, *[2] * 300]),
    "the leader has a tail of a hundred terms": ([1, *HUNDRED], [1]),
    "both have, one after the other": ([1, *range(102, 202)], [1, *HUNDRED]),
    "a hundred terms alternate": ([1, *range(3, 203, 2)], [1, *range(2, 202, 2)]),
    "a hundred terms alternate in runs": (
        [1, *(t for t in range(3, 203, 2) for _ in range(3))],
        [1, *(t for t in range(2, 202, 2) for _ in range(5))],
    ),
    "nothing is common": ([2, *range(4, 204, 2)], [1, *range(3, 203, 2)]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tail_of_a_hundred_terms_costs_a_handful_of_refusals(shape: str) -> None:
    leader, follower = SHAPES[shape]

    assert refusals(leader, follower) <= 2


def test_number_of_refusals_grows_only_with_the_terms_that_do_not_fit_into_one() -> None:
    terms = 5 * HINTS_MAX

    assert refusals([1, *range(3, 2 * terms + 3, 2)], [1, *range(2, 2 * terms + 2, 2)]) <= 6


def histories(rng: random.Random, size: int, events: int) -> list[list[int]]:
    """Logs of a group as leaders would leave them: each appends to its own and copies a prefix to some others."""
    logs: list[list[int]] = [[] for _ in range(size)]
    for term in range(1, events + 1):
        leader = logs[rng.randrange(size)]
        leader += [term] * rng.choice((1, 1, 1, 2, 7))
        for place, log in enumerate(logs):
            if log is not leader and rng.random() < 0.15:
                shared = rng.randint(0, len(leader))
                if leader[:shared] > log:  # a follower drops only what conflicts
                    logs[place] = leader[:shared]
    return logs


@pytest.mark.parametrize("seed", range(60))
def test_few_refusals_repair_any_log_that_leaders_can_leave(seed: int) -> None:
    rng = random.Random(seed)
    logs = histories(rng, 3, rng.choice((5, 30, 120)))
    leader = max(logs, key=lambda log: (log[-1] if log else 0, len(log)))
    for follower in logs:
        runs = len(set(follower) - set(leader))
        assert refusals(leader, follower) <= 1 + ceil(runs / HINTS_MAX)


def test_repaired_log_is_the_leaders_also_with_messages_lost_and_reordered() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        leader, follower, _ = sorted(histories(rng, 3, 40), key=lambda log: (log[-1] if log else 0, len(log)))[::-1]
        group = DirectedGroup(3, disks={"n1": disk_of(*leader), "n2": disk_of(*follower)}, seed=seed)
        group.elect("n1", "n3")
        for _ in range(30):
            group.tick("n1")
            group.network = [flight for flight in group.network if rng.random() < 0.8]
            rng.shuffle(group.network)
            for to in ("n2", "n3", "n1"):
                group.deliver(to=to)
                group.sync(to)
        for _ in range(3):
            group.heartbeat("n1")
        assert group.record("n2").disk.entries == group.record("n1").disk.entries
        assert group[NodeId("n1")].commit_index == group["n1"].last_index
