"""`DetectorGroup`: runs failure detectors that monitor each other over bad links; nodes crash, restart and stall.

Time is simulated, and a seed determines the run. A stalled node handles neither messages nor timers; what arrives waits
for the end of the stall. Then either the messages or the overdue timer come first, by chance: a real loop has no rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coterie.protocols.algorithm import NodeId, Observe, Received, Send
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.detection.failure_detector import FailureDetector, MakeDetector, StateChange
from coterie.protocols.simulation.event_heap import EventHeap, stream

__all__ = ["Change", "DetectorGroup", "Link", "LossyLink"]

Link = Callable[[NodeId, NodeId, random.Random], float | None]
"""Returns the delay (s) of a message from the first node to the second; None: it is lost."""


@dataclass(frozen=True, slots=True)
class LossyLink:
    """A link that loses messages independently, and delays the others by an exponentially distributed time.

    Attributes:
        delay_s: the least delay (s).
        jitter_s: the mean of what is added to it (s), which is also its standard deviation.
        loss: the probability that a message is lost.
    """

    delay_s: float = 0.001
    jitter_s: float = 0.0
    loss: float = 0.0

    def __call__(self, sender: NodeId, to: NodeId, rng: random.Random) -> float | None:
        """Draw the fate of a message."""
        if rng.random() < self.loss:
            return None
        return self.delay_s + (rng.expovariate(1.0 / self.jitter_s) if self.jitter_s else 0.0)


@dataclass(frozen=True, slots=True)
class Change:
    """`node` changed its opinion at `time_s`: `change` names the peer."""

    time_s: float
    node: NodeId
    change: StateChange


class _Node:
    __slots__ = ("armed_s", "detector", "inbox", "is_stalled", "life")

    def __init__(self, detector: FailureDetector) -> None:
        self.detector = detector
        self.inbox: list[Received[Any]] = []
        self.is_stalled = False
        self.armed_s = float("inf")
        self.life = 0


class DetectorGroup:
    """Some nodes, each with a detector that monitors the others; started at time 0.

    `changes`: every `Suspected`, `Failed` and `Trusted` in order. `sent`: how many messages were sent.
    """

    def __init__(self, make: MakeDetector, nodes: Sequence[NodeId], link: Link, *, seed: int) -> None:
        self.changes: list[Change] = []
        self.observed: list[Observe] = []
        self.sent = 0
        self._make = make
        self._names = tuple(nodes)
        self._link = link
        self._seed = seed
        self._heap = EventHeap(ViolationContext())
        self._rng = stream(f"detectors/{seed}", "network")
        self._node_by_name: dict[NodeId, _Node] = {}
        for name in nodes:
            self._start(name)

    @property
    def now(self) -> float:
        """The simulated time (s)."""
        return self._heap.now

    def run(self, *, until_s: float) -> None:
        """Run until the simulated time `until_s`."""
        self._heap.run(until_s=until_s)
        self._heap.now = until_s

    def detector(self, node: NodeId) -> FailureDetector:
        """Return the detector of a living node. KeyError if it has crashed."""
        return self._node_by_name[node].detector

    def crash(self, node: NodeId) -> None:
        """End `node`: it sends and receives nothing more."""
        del self._node_by_name[node]

    def restart(self, node: NodeId) -> None:
        """Start a crashed node anew, without memory, and with the same seed."""
        self._start(node)

    def stall(self, node: NodeId, for_s: float) -> None:
        """Stop `node` for `for_s` seconds, as a pause for garbage collection or a blocked loop does."""
        self._node_by_name[node].is_stalled = True
        self._heap.after(for_s, self._resume, node, self._node_by_name[node])

    def changes_about(self, peer: NodeId) -> list[Change]:
        """Return the changes of opinion about `peer`."""
        return [change for change in self.changes if change.change.peer == peer]

    def _start(self, name: NodeId) -> None:
        peers = [other for other in self._names if other != name]
        self._node_by_name[name] = node = _Node(self._make.make(name, peers, seed=self._seed))
        self._arm(name, node)

    def _arm(self, name: NodeId, node: _Node) -> None:
        deadline = node.detector.deadline
        if deadline is not None and deadline < node.armed_s:
            node.armed_s = deadline
            self._heap.at(deadline, self._fire, name, node, deadline)

    def _fire(self, name: NodeId, node: _Node, armed_s: float) -> None:
        if self._node_by_name.get(name) is not node or node.armed_s != armed_s:
            return
        node.armed_s = float("inf")
        if not node.is_stalled:
            self._tick(name, node)

    def _tick(self, name: NodeId, node: _Node) -> None:
        if (node.detector.deadline or 0.0) <= self.now:
            self._carry_out(name, node.detector.tick(now=self.now))
        self._arm(name, node)

    def _resume(self, name: NodeId, node: _Node) -> None:
        node.is_stalled = False
        if self._node_by_name.get(name) is not node:
            return
        if self._rng.random() < 0.5:
            self._tick(name, node)
        inbox, node.inbox = node.inbox, []
        self._carry_out(name, node.detector.handle(inbox, now=self.now))
        self._tick(name, node)

    def _arrive(self, sender: NodeId, to: NodeId, message: object) -> None:
        node = self._node_by_name.get(to)
        if node is None:
            return
        if node.is_stalled:
            node.inbox.append(Received(sender, message))
            return
        self._carry_out(to, node.detector.handle([Received(sender, message)], now=self.now))
        self._arm(to, node)

    def _carry_out(self, name: NodeId, effects: Sequence[Any]) -> None:
        for effect in effects:
            match effect:
                case Send(to, message):
                    self.sent += 1
                    delay_s = self._link(name, to, self._rng)
                    if delay_s is not None:
                        self._heap.after(delay_s, self._arrive, name, to, message)
                case Observe():
                    self.observed.append(effect)
                case _:
                    self.changes.append(Change(self.now, name, effect))
