"""What the recipes of random faults draw from: the generator, the nodes, and how long things last.

Times are those of an algorithm whose election time-out is 0.2 to 0.4 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from coterie.protocols.faults.kinds.fault_kinds import ANYWHERE, Fault, Link, Role

__all__ = ["ELECTION_TIMEOUT_S", "Draw", "Recipe"]

T = TypeVar("T")

ELECTION_TIMEOUT_S = (0.2, 0.4)
MINUTES_S = (60.0, 180.0)


@dataclass(frozen=True, slots=True)
class Draw:
    """One fault is to be drawn.

    Attributes:
        rng: where everything is drawn from.
        nodes: whom it may hit.
        doomed: the nodes that may forget what they promised: within the budget, a minority.
        at_s: when it strikes.
        ends_at_s: when everything heals.
    """

    rng: random.Random
    nodes: tuple[str, ...]
    doomed: tuple[str, ...]
    at_s: float
    ends_at_s: float

    def node(self) -> str:
        """Draw a node."""
        return self.rng.choice(self.nodes)

    def staying(self) -> str:
        """Draw a node that will not forget, and so stay away: there is something to be hit."""
        return self.rng.choice([node for node in self.nodes if node not in self.doomed] or self.nodes)

    def among(self, *choices: T) -> T:
        """Draw one of `choices`; repeat one to make it likelier."""
        return self.rng.choice(choices)

    def role(self) -> Role:
        """Draw whom to aim at: mostly those who decide something."""
        return self.among(Role.ANY, Role.LEADER, Role.LEADER, Role.CANDIDATE, Role.CANDIDATE, Role.VOTER)

    def lasting_s(self) -> float:
        """Draw how long something lasts: about an election time-out, or a few of them."""
        longest_s = max(self.ends_at_s - self.at_s, 0.001)
        return min(self.among(0.25, 0.5, 1.0) * self.rng.uniform(0.7, 1.5), longest_s)

    def down_s(self) -> float:
        """Draw how long a node stays down: mostly 0 to 5 ms, else within an election time-out, after it, or minutes.

        Minutes only where a plan lasts for minutes.
        """
        choices = [(0.0, 0.005), (0.0, 0.005), (0.01, 0.15), (0.5, 1.5)]
        if self.ends_at_s - self.at_s > MINUTES_S[0]:
            choices.append(MINUTES_S)
        return self.rng.uniform(*self.rng.choice(choices))

    def link(self) -> tuple[str, str]:
        """Draw source and destination of a network fault: all links, or all of one node in one direction."""
        node = self.staying()
        return self.among((ANYWHERE, ANYWHERE), (node, ANYWHERE), (ANYWHERE, node))

    def links(self) -> tuple[Link, ...]:
        """Draw some links in random order: all of one node, or a few."""
        every = [(source, to) for source in self.nodes for to in self.nodes if source != to]
        node = self.staying()
        around = [link for link in every if node in link]
        return tuple(self.shuffled(self.among(around, self.rng.sample(every, max(1, len(every) // 3)))))

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return `items` in random order."""
        return self.rng.sample(items, len(items))


Recipe = Callable[[Draw], tuple[Fault, ...]]
"""Draws what strikes at `Draw.at_s`: nothing, one fault, or some that come together."""
