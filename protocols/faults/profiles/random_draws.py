"""`RandomDraws`: draws the random nodes, roles, links and durations of a fault.

Times suit an algorithm whose election time-out is 0.2 to 0.4 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coterie.protocols.faults.kinds.fault_kinds import ANYWHERE, Fault, NodePair, TargetRole

__all__ = ["ELECTION_TIMEOUT_S", "RandomDraws", "Recipe"]

T = TypeVar("T")

ELECTION_TIMEOUT_S = (0.2, 0.4)
MINUTES_S = (60.0, 180.0)


@dataclass(frozen=True, slots=True)
class RandomDraws:
    """The random choices for one fault, or for several that begin together.

    Attributes:
        rng: the source of all random draws.
        nodes: the nodes that it may hit.
        state_loss_nodes: the nodes that may lose their state: within the budget, a minority.
        at_s: when it begins.
        ends_at_s: when everything heals.
    """

    rng: random.Random
    nodes: tuple[str, ...]
    state_loss_nodes: tuple[str, ...]
    at_s: float
    ends_at_s: float

    def node(self) -> str:
        """Draw a node."""
        return self.rng.choice(self.nodes)

    def node_keeping_state(self) -> str:
        """Draw a node that will not lose its state: it stays in the group, so that a fault can hit it."""
        return self.rng.choice([node for node in self.nodes if node not in self.state_loss_nodes] or self.nodes)

    def one_of(self, *choices: T) -> T:
        """Draw one of `choices`; repeat one to make it likelier."""
        return self.rng.choice(choices)

    def role(self) -> TargetRole:
        """Draw a target role: mostly leaders, candidates and voters."""
        return self.one_of(
            TargetRole.ANY,
            TargetRole.LEADER,
            TargetRole.LEADER,
            TargetRole.CANDIDATE,
            TargetRole.CANDIDATE,
            TargetRole.VOTER,
        )

    def duration_s(self) -> float:
        """Draw a duration: about one election time-out, or a few of them."""
        longest_s = max(self.ends_at_s - self.at_s, 0.001)
        return min(self.one_of(0.25, 0.5, 1.0) * self.rng.uniform(0.7, 1.5), longest_s)

    def down_s(self) -> float:
        """Draw a downtime: mostly 0 to 5 ms, else shorter or longer than an election time-out, or minutes.

        Minutes only if the plan lasts for minutes.
        """
        choices = [(0.0, 0.005), (0.0, 0.005), (0.01, 0.15), (0.5, 1.5)]
        if self.ends_at_s - self.at_s > MINUTES_S[0]:
            choices.append(MINUTES_S)
        return self.rng.uniform(*self.rng.choice(choices))

    def link(self) -> tuple[str, str]:
        """Draw source and destination of a network fault: all links, or all links of one node in one direction."""
        node = self.node_keeping_state()
        return self.one_of((ANYWHERE, ANYWHERE), (node, ANYWHERE), (ANYWHERE, node))

    def links(self) -> tuple[NodePair, ...]:
        """Draw some links in random order: all links of one node, or a third of all."""
        every = [(source, to) for source in self.nodes for to in self.nodes if source != to]
        node = self.node_keeping_state()
        around = [link for link in every if node in link]
        return tuple(self.shuffled(self.one_of(around, self.rng.sample(every, max(1, len(every) // 3)))))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return `items` in random order."""
        return self.rng.sample(items, len(items))


Recipe = Callable[[RandomDraws], tuple[Fault, ...]]
"""Draws the faults that begin at `RandomDraws.at_s`: none, one, or several together."""
