"""`ProtocolNetwork`: simulates a network with random latency, on which faults lose, delay or copy messages.

Without rules every message arrives once. A rule is added to links, each in one direction, and removed from them;
several rules on one link are applied to a message one after the other.

A partition at this level is decided in `faults/link_faults.py` (`broken_links` lists the links that its shape breaks),
begins by `add_rule` with the rule `block` of `faults/link_rules.py`, is carried out in `send`, which loses each message
on those links, and ends by `remove_rule` when `faults/active_faults.py` says so. Messages in flight still arrive.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.event_heap import EventHeap

__all__ = ["DEFAULT_LATENCY", "FaultRule", "Latency", "LinkRule", "NodePair", "OutgoingMessage", "ProtocolNetwork"]

M = TypeVar("M")
NodePair = tuple[NodeId, NodeId]

TAIL_SHAPE = 1.2
"""The exponent of the heavy tail (Pareto): its mean is finite, its variance is not."""


@dataclass(frozen=True, slots=True)
class Latency:
    """The distribution of a message's delay.

    Attributes:
        delay_s: the typical one-way delay (s); drawn between 0.5 and 1.5 times it.
        tail: the probability that a heavy tail is added, which reorders messages.
        tail_s: the scale of that tail (s); at most ten times it is added.
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


DEFAULT_LATENCY = Latency()


class OutgoingMessage:
    """A message about to leave, with the delay of each copy (s). Rules change `delays_s`; empty means lost."""

    __slots__ = ("delays_s", "message", "sender", "to")

    def __init__(self, sender: NodeId, to: NodeId, message: object, delay_s: float) -> None:
        self.sender = sender
        self.to = to
        self.message = message
        self.delays_s = [delay_s]


LinkRule = Callable[[OutgoingMessage], bool]
"""Decides the fate of a message: changes its delays, and returns whether it did."""


class FaultRule:
    """The link rule of one fault. `name` is the name under which its hits are counted."""

    __slots__ = ("apply", "name")

    def __init__(self, name: str, apply: LinkRule) -> None:
        self.name = name
        self.apply = apply


class ProtocolNetwork(Generic[M]):
    """Carries messages between nodes. `deliver(to, sender, message)` is called for each arrival.

    `fired` is called with the name of each rule that has just changed a message.
    """

    __slots__ = ("_deliver", "_dropped_up_to", "_fired", "_heap", "_rng", "_rules", "latency", "sent")

    def __init__(
        self,
        heap: EventHeap,
        rng: random.Random,
        deliver: Callable[[NodeId, NodeId, M], None],
        fired: Callable[[str], None],
    ) -> None:
        self._heap = heap
        self._rng = rng
        self._deliver = deliver
        self._fired = fired
        self._rules: dict[NodePair, list[FaultRule]] = {}
        self._dropped_up_to: dict[NodePair, int] = {}
        self.sent = 0
        """How many messages have been sent so far."""
        self.latency = DEFAULT_LATENCY

    def add_rule(self, rule: FaultRule, links: Iterable[NodePair]) -> None:
        """Apply `rule` to messages sent over `links` from now on; messages in flight are not affected."""
        for link in links:
            self._rules.setdefault(link, []).append(rule)

    def remove_rule(self, rule: FaultRule, links: Iterable[NodePair]) -> None:
        """Remove `rule` from each of `links` that still has it."""
        for link in links:
            rules = self._rules.get(link, [])
            if rule in rules:
                rules.remove(rule)
            if not rules:
                self._rules.pop(link, None)

    def drop_in_flight(self, links: Iterable[NodePair]) -> None:
        """Lose all messages in flight over `links`; later ones are not affected."""
        for link in links:
            self._dropped_up_to[link] = self.sent

    def send(self, sender: NodeId, to: NodeId, message: M) -> None:
        """Send `message`; rules may lose, delay or duplicate it."""
        self.sent += 1
        delay_s = self.latency.draw_s(self._rng)
        rules = self._rules.get((sender, to)) if self._rules else None
        if rules is None:
            self._heap.after(delay_s, self._arrive, self.sent, sender, to, message)
            return
        outgoing = OutgoingMessage(sender, to, message, delay_s)
        self._apply(outgoing, tuple(rules))
        self.release(outgoing)

    def release(self, outgoing: OutgoingMessage) -> None:
        """Send a message on that a rule has queued, without applying rules again."""
        for delay_s in outgoing.delays_s:
            self._carry(outgoing.sender, outgoing.to, cast("M", outgoing.message), delay_s)

    def delay_s(self) -> float:
        """Draw the delay of one message (s)."""
        return self.latency.draw_s(self._rng)

    def _carry(self, sender: NodeId, to: NodeId, message: M, delay_s: float) -> None:
        self._heap.after(delay_s, self._arrive, self.sent, sender, to, message)

    def _apply(self, outgoing: OutgoingMessage, rules: Sequence[FaultRule]) -> None:
        for rule in rules:  # all of them: a rule counts as a hit even if an earlier one has lost the message
            if rule.apply(outgoing):
                self._fired(rule.name)

    def _arrive(self, number: int, sender: NodeId, to: NodeId, message: M) -> None:
        if self._dropped_up_to and number <= self._dropped_up_to.get((sender, to), 0):
            return
        self._heap.events += 1
        self._deliver(to, sender, message)
