"""Random schedules in which single links break: nodes take entries of voters, and safety holds at every step."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import RaftRole
from coterie.protocols.raft.raft_messages import ReadLog
from coterie.protocols.raft.raft_observations import LOG_ADOPTED, LOG_TRUNCATED
from tests.protocols.raft.cut_links import Link, star
from tests.protocols.raft.test_random_schedules import Chaos

SEEDS = 20
STEPS = 4000


class BrokenLinks(Chaos):
    """Breaks single links in place of cutting nodes off: often all but those of one hub."""

    def __init__(self, seed: int) -> None:
        self.broken: set[Link] = set()
        super().__init__(seed)
        self.moves += [self.tick] * 60 + [self.ask] * 40

    def deliver(self, name: NodeId) -> None:
        """Lose what is in flight on broken links to a node, and give it some of the rest."""
        flights = self.group.network
        self.group.network = [each for each in flights if each.to != name or (each.sender, name) not in self.broken]
        super().deliver(name)

    def partition(self, name: NodeId) -> None:
        """Break all links but those of a hub, without those to one more node; or any links."""
        size = len(self.names)
        if self.rng.random() < 0.6:
            apart = self.rng.choice(self.names)
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

    def count(self, event: str) -> int:
        return sum(observed.event == event for observed in self.group.observed)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_safety_holds_at_every_step_while_links_break_and_all_converge_once_healed(seed: int) -> None:
    chaos = BrokenLinks(seed)

    chaos.run(STEPS)

    assert chaos.committed


@pytest.mark.slow
def test_schedules_with_broken_links_let_logs_be_adopted() -> None:
    """Schedules in which that never happens check nothing."""
    adopted = truncated = 0
    for seed in range(10):
        chaos = BrokenLinks(seed)
        chaos.run(STEPS)
        adopted += chaos.count(LOG_ADOPTED)
        truncated += chaos.count(LOG_TRUNCATED)

    assert adopted > 20
    assert truncated > 20
