"""One simulated node: runs an algorithm through the gate, one life after another, as the live driver does.

What arrives is collected for a random small window and handed over at once. A node that was paused handles what has
arrived before its overdue tick, then reads its deadline again: otherwise every pause would become an election.
Each node has a clock of its own: it runs a little fast or slow, and each life finds it at another time.
A node whose replica has forgotten what it promised retires: it never comes back under its name.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from coterie.protocols.algorithm import Algorithm, NodeId, Observe, Persist, Persisted, Send, Token
from coterie.protocols.durability_gate import Gate
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.protocol_disk import SimulatedDisk
from coterie.protocols.simulation.run_trace import Trace

__all__ = ["AnyAlgorithm", "Lag", "Node", "Resident"]

W = TypeVar("W")
M = TypeVar("M")
WriteT = TypeVar("WriteT", contravariant=True)
MessageT = TypeVar("MessageT", contravariant=True)

AnyAlgorithm = Algorithm[object, object]
"""What a node runs: its scenario promises to hand it only events it knows."""

LONGEST_WINDOW_S = 0.002
AT_ONCE = 0.6
"""The probability that what arrives is handled at once, and not with what arrives within a window."""

LATEST_CLOCK_S = 1000.0

Lag = Callable[[], float]
"""Says how long the next turn of a node has to wait (s): one call for each turn."""


class Resident(Protocol[WriteT, MessageT]):
    """What a scenario does for its nodes: it knows the algorithm, the disk's contents and the judges."""

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return the algorithm of a new life of `node`, restored from what its disk holds."""
        ...

    def ended(self, node: NodeId) -> None:
        """Forget what the life of `node` that has just ended was asked for."""
        ...

    def wrote(self, node: NodeId, write: WriteT) -> None:
        """Note that `write` is durable at `node`."""
        ...

    def sent(self, node: NodeId, to: NodeId, message: MessageT) -> None:
        """Note that `message` leaves `node` for `to`; carry it."""
        ...

    def perform(self, node: NodeId, effect: object) -> None:
        """Carry out an effect of the algorithm's own."""
        ...

    def visited(self, node: NodeId) -> None:
        """Look at the algorithm of `node` after something has come of what it has handled."""
        ...

    def healed(self) -> None:
        """Note that the plan is over: everything has just healed."""
        ...

    def role_shown(self, message: MessageT) -> Role | None:
        """Return the role in which a node shows itself by sending `message`, if it does."""
        ...


class Node(Generic[W, M]):
    """One node: at most one life at a time, none while it is down.

    `rng` draws batch windows and clocks and seeds the algorithm of each life. `drift` is how much faster or slower than
    true its clock may run (0.01: one part in a hundred); without drift it shows the true time.
    """

    __slots__ = (
        "_armed_s",
        "_arming",
        "_clock_base_s",
        "_clock_rate",
        "_drift",
        "_gate",
        "_inbox",
        "_is_visit_due",
        "_lags",
        "_resident",
        "_rng",
        "_timeline",
        "_trace",
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
        resident: Resident[W, M],
        timeline: Timeline,
        trace: Trace,
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
        self.disk: SimulatedDisk[W] = SimulatedDisk(
            timeline, rng, durable=self._durable, synced=self._synced, survived=self._survived
        )
        self._resident = resident
        self._timeline = timeline
        self._trace = trace
        self._rng = rng
        self._drift = drift
        self._clock_rate = 1.0 + rng.uniform(-drift, drift)
        self._clock_base_s = 0.0
        self._gate: Gate[object] = Gate()
        self._inbox: list[object] = []
        self._is_visit_due = False
        self._lags: list[Lag] = []
        self._armed_s: float | None = None
        self._arming = 0

    @property
    def is_up(self) -> bool:
        """Whether a life is going on, paused or not."""
        return self.algorithm is not None

    @property
    def is_awake(self) -> bool:
        """Whether a life is going on and not paused."""
        return self.algorithm is not None and not self.is_paused

    def start(self) -> None:
        """Begin a new life with what the disk holds, unless one is going on or the node has retired."""
        if self.algorithm is not None or self.is_retired:
            return
        self.life += 1
        self._trace.record(self.node_id, "node.started", self.life)
        self._gate = Gate()
        self._clock_base_s = self._rng.uniform(0, LATEST_CLOCK_S) if self._drift else 0.0
        self.algorithm = self._resident.build(self.node_id, random.Random(self._rng.getrandbits(64)))
        self._rearm()

    def crash(self) -> None:
        """End this life at once: all memory is gone, and what the disk had not finished."""
        if self.algorithm is None:
            return
        self._trace.record(self.node_id, "node.crashed", self.life)
        self.algorithm = None
        self.is_paused = False
        self._inbox = []
        self._is_visit_due = False
        self._armed_s = None
        self.disk.crash()
        self._resident.ended(self.node_id)

    def retire(self) -> None:
        """Never start again: the disk no longer holds what this node has promised."""
        self._trace.record(self.node_id, "node.retired")
        self.is_retired = True

    def run_clock_at(self, rate: float) -> None:
        """Let the clock go on from what it shows, at `rate` times the true time (and its own drift)."""
        now_s = self._now()
        self._clock_rate = rate * (1.0 + self._rng.uniform(-self._drift, self._drift))
        self._clock_base_s = now_s - self._clock_rate * self._timeline.now
        self._armed_s = None
        self._rearm()

    def begin_lag(self, lag: Lag) -> None:
        """Let every turn wait for `lag` too."""
        self._lags.append(lag)

    def end_lag(self, lag: Lag) -> None:
        """Let turns wait for `lag` no more."""
        if lag in self._lags:
            self._lags.remove(lag)

    def pause(self) -> None:
        """Stop handling and ticking; what arrives waits."""
        self._trace.record(self.node_id, "node.paused")
        self.is_paused = True
        self.missed = 0

    def resume(self) -> None:
        """Go on: first what has arrived, then the overdue tick."""
        if self.algorithm is None or not self.is_paused:
            return
        self._trace.record(self.node_id, "node.resumed", self.missed)
        self.is_paused = False
        self._is_visit_due = False
        self._armed_s = None
        self._visit(self.life)
        self._rearm()

    def receive(self, event: object) -> None:
        """Put `event` into the inbox, for soon or at once (so not from `perform`); it is lost if the node is down."""
        if self.algorithm is None:
            return
        self._inbox.append(event)
        if self.is_paused:
            self.missed += 1
        elif not self._is_visit_due:
            chance = self._rng.random()
            if chance < AT_ONCE and not self._lags:
                self._take_turn(self.algorithm)
            else:
                self._is_visit_due = True
                self._timeline.after(self._window_s(chance), self._visit, self.life)

    def post(self, event: object, within_s: float) -> None:
        """Put `event` into the inbox of this life: it is handled with the next that arrives, or alone `within_s`."""
        self._inbox.append(event)
        self._timeline.after(within_s, self._visit_for_post, self.life)

    def _visit_for_post(self, life: int) -> None:
        if life == self.life and self._inbox and not self._is_visit_due:
            self._visit(life)

    def _window_s(self, chance: float) -> float:
        window_s = max(0.0, chance - AT_ONCE) / (1 - AT_ONCE) * LONGEST_WINDOW_S
        return window_s + self._lag_s() if self._lags else window_s

    def _lag_s(self) -> float:
        return sum(lag() for lag in self._lags)

    def _visit(self, life: int) -> None:
        if life == self.life and self.algorithm is not None and not self.is_paused:
            self._is_visit_due = False
            self._take_turn(self.algorithm)

    def _take_turn(self, algorithm: AnyAlgorithm) -> None:
        if self._inbox:
            events, self._inbox = self._inbox, []
            self._carry_out(algorithm.handle(events, now=self._now()))
        self._rearm()

    def _now(self) -> float:
        return self._clock_base_s + self._clock_rate * self._timeline.now

    def _carry_out(self, effects: Sequence[object]) -> None:
        self.turns += 1
        if not effects:
            return  # whatever an algorithm makes of itself, it says something
        node_id, resident = self.node_id, self._resident
        for effect in self._gate.admit(effects):
            if type(effect) is Send:
                resident.sent(node_id, effect.to, effect.message)
            elif type(effect) is Persist:
                self.disk.submit(effect.token, effect.write)
            elif type(effect) is Observe:
                self._trace.record(node_id, effect.event, effect.facts)
            else:
                resident.perform(node_id, effect)
        resident.visited(node_id)

    def _rearm(self) -> None:
        if self.algorithm is None:
            return
        deadline_s = self.algorithm.deadline
        if deadline_s is None or (self._armed_s is not None and self._armed_s <= deadline_s):
            return
        self._armed_s = deadline_s
        self._arming += 1
        true_s = (deadline_s - self._clock_base_s) / self._clock_rate
        if self._lags:
            true_s = max(true_s, self._timeline.now) + self._lag_s()
        self._timeline.at(true_s, self._timer_fired, self._arming, deadline_s)

    def _timer_fired(self, arming: int, armed_s: float) -> None:
        if arming != self._arming or self._armed_s is None or self.is_paused or self.algorithm is None:
            return
        self._timeline.events += 1
        self._armed_s = None
        now = max(self._now(), armed_s)  # the way to true time and back may have lost a bit
        if self._inbox:
            events, self._inbox = self._inbox, []
            self._carry_out(self.algorithm.handle(events, now=now))
        deadline_s = self.algorithm.deadline
        if deadline_s is not None and deadline_s <= now:
            self._carry_out(self.algorithm.tick(now=now))
        self._rearm()

    def _durable(self, token: Token, write: W) -> None:
        self._resident.wrote(self.node_id, write)
        for effect in self._gate.persisted(token):
            if type(effect) is Send:
                self._resident.sent(self.node_id, effect.to, effect.message)

    def _synced(self, token: Token) -> None:
        self.receive(Persisted(token))

    def _survived(self, write: W) -> None:
        self._trace.record(self.node_id, "disk.survived")
        self._resident.wrote(self.node_id, write)
