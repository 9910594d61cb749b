"""The simulated network: messages take their time, and rules on links lose, delay, double, hold or overtake them.

Without rules every message arrives once. A rule is begun on links, each one way, and ended on them; several rules on
one link judge a message one after the other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.event_heap import Timeline

__all__ = ["USUAL", "Flight", "Judge", "Latency", "Link", "Network", "Rule"]

M = TypeVar("M")
Link = tuple[NodeId, NodeId]

TAIL_SHAPE = 1.2
"""The exponent of the heavy tail (Pareto): its mean is finite, its variance is not."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a message is under way.

    Attributes:
        delay_s: the typical one-way delay; drawn between half and one and a half of it.
        tail: the probability that a heavy tail is added, which is what overtakes.
        tail_s: the scale of that tail; ten times as much is the longest.
    """

    delay_s: float = 0.001
    tail: float = 0.01
    tail_s: float = 0.02

    def draw_s(self, rng: random.Random) -> float:
        """Draw one delay (s)."""
        draw = rng.random
        if draw() < self.tail:
            return self.delay_s + min(self.tail_s * rng.paretovariate(TAIL_SHAPE), 10 * self.tail_s)
        return self.delay_s * (0.5 + draw())


USUAL = Latency()


class Flight:
    """A message that is about to leave: each copy's delay (s). Rules change the list; an empty one means it is lost."""

    __slots__ = ("delays_s", "message", "sender", "to")

    def __init__(self, sender: NodeId, to: NodeId, message: object, delay_s: float) -> None:
        self.sender = sender
        self.to = to
        self.message = message
        self.delays_s = [delay_s]


Judge = Callable[[Flight], bool]
"""Changes a flight, and returns whether it did."""


class Rule:
    """What happens to the messages of some links. `name` is what counts when it hits one."""

    __slots__ = ("judge", "name")

    def __init__(self, name: str, judge: Judge) -> None:
        self.name = name
        self.judge = judge


class Network(Generic[M]):
    """Carries messages between nodes. `deliver(to, sender, message)` is called for each arrival.

    `fired` is called with the name of whatever rule has just hit a message.
    """

    __slots__ = ("_cuts", "_deliver", "_fired", "_rng", "_rules", "_timeline", "latency", "sent")

    def __init__(
        self,
        timeline: Timeline,
        rng: random.Random,
        deliver: Callable[[NodeId, NodeId, M], None],
        fired: Callable[[str], None],
    ) -> None:
        self._timeline = timeline
        self._rng = rng
        self._deliver = deliver
        self._fired = fired
        self._rules: dict[Link, list[Rule]] = {}
        self._cuts: dict[Link, int] = {}
        self.sent = 0
        """How many messages have left so far."""
        self.latency = USUAL

    def begin(self, rule: Rule, links: Iterable[Link]) -> None:
        """Let `rule` judge what leaves over `links` from now on; what is under way arrives."""
        for link in links:
            self._rules.setdefault(link, []).append(rule)

    def end(self, rule: Rule, links: Iterable[Link]) -> None:
        """Take `rule` from each of `links`, if it is still there."""
        for link in links:
            rules = self._rules.get(link, [])
            if rule in rules:
                rules.remove(rule)
            if not rules:
                self._rules.pop(link, None)

    def cut(self, links: Iterable[Link]) -> None:
        """Lose what is under way over `links`; what leaves later is not concerned."""
        for link in links:
            self._cuts[link] = self.sent

    def send(self, sender: NodeId, to: NodeId, message: M) -> None:
        """Carry `message`, perhaps."""
        self.sent += 1
        delay_s = self.latency.draw_s(self._rng)
        rules = self._rules.get((sender, to)) if self._rules else None
        if rules is None:
            self._timeline.after(delay_s, self._arrive, self.sent, sender, to, message)
            return
        flight = Flight(sender, to, message, delay_s)
        self._judge(flight, tuple(rules))
        self.release(flight)

    def release(self, flight: Flight) -> None:
        """Carry on a flight of this network that a rule has kept, whatever the rules say by now."""
        for delay_s in flight.delays_s:
            self._carry(flight.sender, flight.to, cast("M", flight.message), delay_s)

    def delay_s(self) -> float:
        """Draw how long one message is under way (s)."""
        return self.latency.draw_s(self._rng)

    def _carry(self, sender: NodeId, to: NodeId, message: M, delay_s: float) -> None:
        self._timeline.after(delay_s, self._arrive, self.sent, sender, to, message)

    def _judge(self, flight: Flight, rules: Sequence[Rule]) -> None:
        for rule in rules:  # all of them: what one has stopped another would have stopped too, and has hit
            if rule.judge(flight):
                self._fired(rule.name)

    def _arrive(self, number: int, sender: NodeId, to: NodeId, message: M) -> None:
        if self._cuts and number <= self._cuts.get((sender, to), 0):
            return
        self._timeline.events += 1
        self._deliver(to, sender, message)
