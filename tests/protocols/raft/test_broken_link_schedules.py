"""Random schedules in which single links break: nodes take entries of voters, and safety holds at every step."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import RaftRole
from coterie.protocols.raft.raft_messages import ReadLog
from coterie.protocols.raft.raft_observations import LOG_ADOPTED, LOG_TRUNCATED
from tests.protocols.raft.cut_links import Link, star
from tests.protocols.raft.test_random_schedules import Chaos

SEEDS = 20
STEPS = 4000
ROUNDS = 300


class BrokenLinks(Chaos):
    """Breaks single links in place of cutting nodes off: often all but those of one hub."""

    def __init__(self, seed: int) -> None:
        self.broken: set[Link] = set()
        super().__init__(seed)
        self.moves += [self.tick] * 60 + [self.ask] * 40 + [self.propose] * 60

    def deliver(self, name: NodeId) -> None:
        """Lose what is in flight on broken links to a node, and give it some of the rest."""
        flights = self.group.network
        self.group.network = [each for each in flights if each.to != name or (each.sender, name) not in self.broken]
        super().deliver(name)

    def tick(self, name: NodeId) -> None:
        self.group.now += self.rng.choice((0.0, 0.05, 0.1))  # so that leaders without a quorum step down in time
        super().tick(name)

    def partition(self, name: NodeId) -> None:
        """Break all links but those of a hub, without those to one more node; or any links."""
        size = len(self.names)
        if self.rng.random() < 0.6:
            leaders = [node for node in self.names if self.is_up(node) and self.group[node].role is RaftRole.LEADER]
            apart = self.rng.choice(leaders or self.names)
            self.broken = star(size, name) | {(name, apart), (apart, name)}
        else:
            self.broken = {(one, other) for one in self.names for other in self.names if self.rng.random() < 0.3}

    def ask(self, name: NodeId) -> None:
        """Let a pre-candidate ask any node for its log, without a quorum and without need: that must be safe, too."""
        if self.is_up(name) and self.group[name].role is RaftRole.PRE_CANDIDATE:
            log = self.group[name]._log
            request = ReadLog(
                self.group[name].term, log.last_index, log.last_term, log.hints(log.last_index, log.last_term)
            )
            self.group.send(name, self.rng.choice([other for other in self.names if other != name]), request)

    def mend(self, name: NodeId) -> None:
        del name
        self.broken = set()

    def adoptions(self) -> tuple[int, int]:
        """Return how many logs were adopted, and how many of them took the place of own entries."""
        events = [observed.event for observed in self.group.observed]
        replaced = sum(pair == (LOG_TRUNCATED, LOG_ADOPTED) for pair in itertools.pairwise(events))
        return events.count(LOG_ADOPTED), replaced


class Rounds(BrokenLinks):
    """Coarser steps: each time some nodes alone elect, replicate, or adopt a log, and all other messages are lost."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        moves: list[Callable[[NodeId], None]] = [self.crash, self.restart, self.restart]
        for move in (self.stand, self.replicate, self.adopt):
            moves += [move] * 4
        self.moves = moves

    def some(self, name: NodeId) -> list[NodeId]:
        others = [other for other in self.names if other != name and self.is_up(other)]
        return [name, *self.rng.sample(others, self.rng.randint(0, len(others)))]

    def stand(self, name: NodeId) -> None:
        """Let a node be due, after a silence of all leaders, and reach some others."""
        if self.is_up(name):
            self.group.expire_leaders()
            self.group.tick(name)
            self.group.settle(*self.some(name))

    def replicate(self, name: NodeId) -> None:
        """Let a leader, if there is one, take commands and reach some others."""
        leaders = [node for node in self.names if self.is_up(node) and self.group[node].role is RaftRole.LEADER]
        if leaders:
            leader = self.rng.choice(leaders)
            self.propose(leader)
            self.group.settle(*self.some(leader))

    def adopt(self, name: NodeId) -> None:
        """Let a pre-candidate take the entries of any other node."""
        self.ask(name)
        voter = next((each.to for each in self.group.network if isinstance(each.message, ReadLog)), None)
        if voter is not None and self.is_up(voter):
            self.group.settle(name, voter)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_safety_holds_at_every_step_while_links_break_and_all_converge_once_healed(seed: int) -> None:
    BrokenLinks(seed).run(STEPS)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_safety_holds_whichever_nodes_elect_replicate_and_adopt_alone(seed: int) -> None:
    Rounds(seed).run(ROUNDS)


@pytest.mark.slow
def test_schedules_with_broken_links_let_logs_be_adopted() -> None:
    """Schedules in which that never happens check nothing."""
    adopted = replaced = committed = 0
    for seed in range(20):
        for schedule, steps in ((BrokenLinks(seed), STEPS), (Rounds(seed), ROUNDS)):
            schedule.run(steps)
            in_run = schedule.adoptions()
            adopted, replaced = adopted + in_run[0], replaced + in_run[1]
            committed += len(schedule.committed)

    assert adopted > 100
    assert replaced > 3
    assert committed > 500
