"""`ProtocolNode`: runs an algorithm on one simulated node, with crashes and restarts, and carries out its effects.

Effects pass through the durability gate, as in the live driver. One start of the node until its end is a *life*.

Events are collected for a small random batch window and handled as one turn. A node that was paused handles the events
that arrived before its overdue tick, then reads its deadline again: otherwise every pause would cause an election.
Each node has its own clock, which runs a little fast or slow and starts each life at another time.
A node whose replica has lost durable state retires: it never comes back under its name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from coterie.protocols.algorithm import Algorithm, NodeId, Observe, Persist, Persisted, Send, Token
from coterie.protocols.durability_gate import DurabilityGate
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.protocol_disk import ProtocolDisk
from coterie.protocols.simulation.run_trace import RunTrace

__all__ = ["AlgorithmHarness", "AnyAlgorithm", "ProtocolNode", "TurnDelay"]

W = TypeVar("W")
M = TypeVar("M")
WriteT = TypeVar("WriteT", contravariant=True)
MessageT = TypeVar("MessageT", contravariant=True)

AnyAlgorithm = Algorithm[object, object]
"""The algorithm of a node; its run must give it only events that it handles."""

LONGEST_BATCH_WINDOW_S = 0.002
AT_ONCE = 0.6
"""The probability that an event is handled at once, not with the later events of a batch window."""

LATEST_CLOCK_S = 1000.0

TurnDelay = Callable[[], float]
"""Returns how long the next turn of a node must wait (s); called once for each turn."""


class AlgorithmHarness(Protocol[WriteT, MessageT]):
    """What a run supplies to its nodes: the algorithm, the contents of disks, and the checkers."""

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return the algorithm for a new life of `node`, restored from its disk."""
        ...

    def ended(self, node: NodeId) -> None:
        """Drop the pending requests of the life of `node` that has just ended."""
        ...

    def wrote(self, node: NodeId, write: WriteT) -> None:
        """Note that `write` is durable at `node`."""
        ...

    def sent(self, node: NodeId, to: NodeId, message: MessageT) -> None:
        """Note that `message` leaves `node` for `to`, and send it."""
        ...

    def perform(self, node: NodeId, effect: object) -> None:
        """Carry out an effect that is specific to the algorithm."""
        ...

    def turn_ended(self, node: NodeId) -> None:
        """Note that `node` has finished a turn in which its algorithm produced effects."""
        ...

    def healed(self) -> None:
        """Note that the plan has ended and everything has just healed."""
        ...

    def sender_role(self, message: MessageT) -> TargetRole | None:
        """Return the role that a node shows by sending `message`; None if it shows none."""
        ...


class ProtocolNode(Generic[W, M]):
    """One node: at most one life at a time, none while it is down.

    `rng` draws batch windows and clocks, and seeds the algorithm of each life. `drift`: the largest relative error of
    its clock's rate (0.01: one part in a hundred); with 0 the clock shows the true time.
    """

    __slots__ = (
        "_armed_s",
        "_arming",
        "_clock_base_s",
        "_clock_rate",
        "_drift",
        "_gate",
        "_harness",
        "_heap",
        "_inbox",
        "_is_turn_scheduled",
        "_rng",
        "_trace",
        "_turn_delays",
        "algorithm",
        "disk",
        "is_paused",
        "is_retired",
        "life",
        "missed",
        "node_id",
        "turns",
    )

    def __init__(
        self,
        node_id: NodeId,
        harness: AlgorithmHarness[W, M],
        heap: EventHeap,
        trace: RunTrace,
        rng: random.Random,
        *,
        drift: float = 0.0,
    ) -> None:
        self.node_id = node_id
        self.life = 0
        self.algorithm: AnyAlgorithm | None = None
        self.is_paused = False
        self.is_retired = False
        self.missed = 0
        self.turns = 0
        self.disk: ProtocolDisk[W] = ProtocolDisk(
            heap, rng, durable=self._durable, synced=self._synced, survived=self._survived
        )
        self._harness = harness
        self._heap = heap
        self._trace = trace
        self._rng = rng
        self._drift = drift
        self._clock_rate = 1.0 + rng.uniform(-drift, drift)
        self._clock_base_s = 0.0
        self._gate: DurabilityGate[object] = DurabilityGate()
        self._inbox: list[object] = []
        self._is_turn_scheduled = False
        self._turn_delays: list[TurnDelay] = []
        self._armed_s: float | None = None
        self._arming = 0

    @property
    def is_up(self) -> bool:
        """Whether the node has a current life, paused or not."""
        return self.algorithm is not None

    @property
    def is_awake(self) -> bool:
        """Whether the node has a current life that is not paused."""
        return self.algorithm is not None and not self.is_paused

    def start(self) -> None:
        """Begin a new life from the disk, unless the node is up or has retired."""
        if self.algorithm is not None or self.is_retired:
            return
        self.life += 1
        self._trace.record(self.node_id, "node.started", self.life)
        self._gate = DurabilityGate()
        self._clock_base_s = self._rng.uniform(0, LATEST_CLOCK_S) if self._drift else 0.0
        self.algorithm = self._harness.build(self.node_id, random.Random(self._rng.getrandbits(64)))
        self._rearm()

    def crash(self) -> None:
        """End the current life at once: its memory is lost, and so are unfinished writes."""
        if self.algorithm is None:
            return
        self._trace.record(self.node_id, "node.crashed", self.life)
        self.algorithm = None
        self.is_paused = False
        self._inbox = []
        self._is_turn_scheduled = False
        self._armed_s = None
        self.disk.crash()
        self._harness.ended(self.node_id)

    def retire(self) -> None:
        """Never start again: the disk has lost durable state."""
        self._trace.record(self.node_id, "node.retired")
        self.is_retired = True

    def run_clock_at(self, rate: float) -> None:
        """Let the clock continue from its current time, at `rate` times the true rate (and its own drift)."""
        now_s = self._now()
        self._clock_rate = rate * (1.0 + self._rng.uniform(-self._drift, self._drift))
        self._clock_base_s = now_s - self._clock_rate * self._heap.now
        self._armed_s = None
        self._rearm()

    def add_turn_delay(self, delay: TurnDelay) -> None:
        """Delay every turn by `delay` from now on."""
        self._turn_delays.append(delay)

    def remove_turn_delay(self, delay: TurnDelay) -> None:
        """Stop delaying turns by `delay`."""
        if delay in self._turn_delays:
            self._turn_delays.remove(delay)

    def pause(self) -> None:
        """Stop handling events and ticks; events wait in the inbox."""
        self._trace.record(self.node_id, "node.paused")
        self.is_paused = True
        self.missed = 0

    def resume(self) -> None:
        """Continue after a pause: handle the events in the inbox, then the overdue tick."""
        if self.algorithm is None or not self.is_paused:
            return
        self._trace.record(self.node_id, "node.resumed", self.missed)
        self.is_paused = False
        self._is_turn_scheduled = False
        self._armed_s = None
        self._run_turn(self.life)
        self._rearm()

    def receive(self, event: object) -> None:
        """Put `event` into the inbox and handle it soon, or at once (so do not call this from `perform`).

        It is lost if the node is down.
        """
        if self.algorithm is None:
            return
        self._inbox.append(event)
        if self.is_paused:
            self.missed += 1
        elif not self._is_turn_scheduled:
            chance = self._rng.random()
            if chance < AT_ONCE and not self._turn_delays:
                self._take_turn(self.algorithm)
            else:
                self._is_turn_scheduled = True
                self._heap.after(self._batch_window_s(chance), self._run_turn, self.life)

    def post(self, event: object, within_s: float) -> None:
        """Put `event` into the inbox of this life: it is handled with the next event, or alone after `within_s`."""
        self._inbox.append(event)
        self._heap.after(within_s, self._run_turn_for_post, self.life)

    def _run_turn_for_post(self, life: int) -> None:
        if life == self.life and self._inbox and not self._is_turn_scheduled:
            self._run_turn(life)

    def _batch_window_s(self, chance: float) -> float:
        batch_window_s = max(0.0, chance - AT_ONCE) / (1 - AT_ONCE) * LONGEST_BATCH_WINDOW_S
        return batch_window_s + self._turn_delay_s() if self._turn_delays else batch_window_s

    def _turn_delay_s(self) -> float:
        return sum(delay() for delay in self._turn_delays)

    def _run_turn(self, life: int) -> None:
        if life == self.life and self.algorithm is not None and not self.is_paused:
            self._is_turn_scheduled = False
            self._take_turn(self.algorithm)

    def _take_turn(self, algorithm: AnyAlgorithm) -> None:
        if self._inbox:
            events, self._inbox = self._inbox, []
            self._carry_out(algorithm.handle(events, now=self._now()))
        self._rearm()

    def _now(self) -> float:
        return self._clock_base_s + self._clock_rate * self._heap.now

    def _carry_out(self, effects: Sequence[object]) -> None:
        self.turns += 1
        if not effects:
            return  # every change of an algorithm's state produces an effect
        node_id, harness = self.node_id, self._harness
        for effect in self._gate.admit(effects):
            if type(effect) is Send:
                harness.sent(node_id, effect.to, effect.message)
            elif type(effect) is Persist:
                self.disk.submit(effect.token, effect.write)
            elif type(effect) is Observe:
                self._trace.record(node_id, effect.event, effect.facts)
            else:
                harness.perform(node_id, effect)
        harness.turn_ended(node_id)

    def _rearm(self) -> None:
        if self.algorithm is None:
            return
        deadline_s = self.algorithm.deadline
        if deadline_s is None or (self._armed_s is not None and self._armed_s <= deadline_s):
            return
        self._armed_s = deadline_s
        self._arming += 1
        true_s = (deadline_s - self._clock_base_s) / self._clock_rate
        if self._turn_delays:
            true_s = max(true_s, self._heap.now) + self._turn_delay_s()
        self._heap.at(true_s, self._timer_fired, self._arming, deadline_s)

    def _timer_fired(self, arming: int, armed_s: float) -> None:
        if arming != self._arming or self._armed_s is None or self.is_paused or self.algorithm is None:
            return
        self._heap.events += 1
        self._armed_s = None
        now = max(self._now(), armed_s)  # the conversion to true time and back may be off by rounding
        if self._inbox:
            events, self._inbox = self._inbox, []
            self._carry_out(self.algorithm.handle(events, now=now))
        deadline_s = self.algorithm.deadline
        if deadline_s is not None and deadline_s <= now:
            self._carry_out(self.algorithm.tick(now=now))
        self._rearm()

    def _durable(self, token: Token, write: W) -> None:
        self._harness.wrote(self.node_id, write)
        for effect in self._gate.persisted(token):
            if type(effect) is Send:
                self._harness.sent(self.node_id, effect.to, effect.message)

    def _synced(self, token: Token) -> None:
        self.receive(Persisted(token))

    def _survived(self, write: W) -> None:
        self._trace.record(self.node_id, "disk.survived")
        self._harness.wrote(self.node_id, write)
