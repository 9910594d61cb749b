"""`Driver`: runs one protocol (a pure state machine) inside an actor: feeds it events, and carries out its effects.

    receive ──▶ feed(event) …            on_visit_end ──▶ flush ──▶ Algorithm.handle(batch)
                                                                        │ effects, in order
    store ──▶ persisted(token) ─▶ gate ─▶ held sends leave              ▼
                     └────────── wake ─▶ next batch         gate ─▶ Persist, Send, Observe, and the algorithm's own

The driver is the only interface between protocols and runtime. One driver belongs to one life of an actor (from a start
or restart to its end). It collects the messages that one visit delivers and hands them to the algorithm as one batch: a
hundred commands become one disk write and one message, and a single command is not delayed.
Completions of disk writes never queue in the bounded mailbox: they wake the cell. After `close` they are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from coterie.protocols.algorithm import Algorithm, Observe, Persist, Persisted, Send, Token
from coterie.protocols.durability_gate import DurabilityGate
from coterie.runtime.actor import Context, Timer
from coterie.runtime.messages.message import message

__all__ = ["Driver", "EffectHandler", "Tick"]

EventT = TypeVar("EventT")
AnswerT = TypeVar("AnswerT", covariant=True)
EffectT = TypeVar("EffectT")

STALL_S: Final = 0.01
"""A tick later than this means that the process was paused: messages may wait in its sockets, not yet read."""

GRACE_S: Final = 0.002
"""How long such a tick waits for the loop to read its sockets once: otherwise each pause would cause an election."""


COARSE_S: Final = 0.001
"""The steps in which uvloop counts time: a timer fires up to that much early, and would have to be set again."""


@message(name="coterie.Tick")
class Tick:
    """The driver's timer fired. It never crosses the wire."""


class EffectHandler(Protocol[AnswerT]):
    """Carries out the effects of an algorithm; the actor implements it for its driver."""

    def persist(self, write: Any, done: Callable[[], None]) -> None:
        """Make `write` durable, in order of the calls; then call `done` on the loop."""
        ...

    def send(self, to: str, message: Any) -> None:
        """Send a peer message; it may be lost."""
        ...

    def perform(self, effect: Any) -> AnswerT | None:
        """Carry out an effect that is specific to the algorithm; return the event that answers it at once, if any."""
        ...

    def observed(self, event: str, facts: Any) -> None:
        """Handle an `Observe` effect, for instance by logging it."""
        ...


@dataclass(slots=True)
class DriverStats:
    """Counters of one driver since it was made: `batches` handled, `events` in them, `writes` requested."""

    batches: int = 0
    events: int = 0
    writes: int = 0


class Driver(Generic[EventT, EffectT]):
    """Runs one algorithm for one life of its actor. Call `feed` from `receive`, `flush` from `on_visit_end`.

    Args:
        algorithm: the pure protocol object, newly made.
        context: the actor's context: its timers, clock and `wake`.
        handler: carries out the effects; usually the actor itself.
        awaits_disk: returns whether a completed write may change anything now; else it comes with the next event.
    """

    def __init__(
        self,
        algorithm: Algorithm[EventT | Persisted, EffectT],
        context: Context,
        handler: EffectHandler[EventT],
        *,
        awaits_disk: Callable[[], bool] = lambda: True,
    ):
        self._algorithm = algorithm
        self._context = context
        self._handler = handler
        self._awaits_disk = awaits_disk
        self._monotonic = context.clock.monotonic
        self._late_s = COARSE_S if type(context.system.loop).__module__.startswith("uvloop") else 0.0
        self._gate: DurabilityGate[EffectT] = DurabilityGate()
        self._batch: list[EventT | Persisted] = []
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._is_tick_due = False
        self._has_waited = False
        self._is_alive = True
        self.stats = DriverStats()

    def feed(self, event: EventT) -> None:
        """Add an event to the batch of this visit."""
        self._batch.append(event)

    def wake_with(self, event: EventT | Persisted) -> None:
        """Add an event that comes from outside a visit (a completed disk operation), and request a visit."""
        if self._is_alive:
            self._batch.append(event)
            self._context.wake()

    def ticked(self) -> None:
        """Record that the timer fired; `flush` checks the deadline after the batch is handled."""
        self._stop_timer()
        self._is_tick_due = True

    def flush(self) -> None:
        """Hand the batch to the algorithm and carry out the effects, until no event is left; then check the deadline.

        Raises:
            InvariantViolated: a safety invariant is broken: the actor must stop and must not be restarted.
        """
        while self._batch:
            batch, self._batch = self._batch, []
            self.stats.batches += 1
            self.stats.events += len(batch)
            self._carry_out(self._algorithm.handle(batch, now=self._monotonic()))
        if self._is_tick_due:
            self._is_tick_due = False
            self._tick()
        self._arm()

    def close(self) -> None:
        """End this life: completions of writes and timers are dropped from now on."""
        self._is_alive = False
        self._batch.clear()
        self._stop_timer()

    # --- effects ----------------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Any) -> None:
        for effect in self._gate.admit(effects):
            self._carry_out_one(effect)

    def _carry_out_one(self, effect: Any) -> None:
        if isinstance(effect, Send):
            self._handler.send(effect.to, effect.message)
        elif isinstance(effect, Persist):
            self.stats.writes += 1
            self._handler.persist(effect.write, partial(self._persisted, effect.token))
        elif isinstance(effect, Observe):
            self._handler.observed(effect.event, effect.facts)
        else:
            answer = self._handler.perform(effect)
            if answer is not None:
                self._batch.append(answer)

    def _persisted(self, token: Token) -> None:
        if not self._is_alive:
            return  # a write of an earlier life: its token is not valid in the present one
        if released := self._gate.persisted(token):
            self._within_turn(self._send_all, released)  # an acknowledgement leaves before this actor's visit begins
        if self._batch or self._awaits_disk():
            self._within_turn(self.wake_with, Persisted(token))
        elif self._is_alive:
            self._batch.append(Persisted(token))

    def _within_turn(self, act: Callable[[Any], None], argument: Any) -> None:
        """Call `act`; then visit the actors that it woke, without waiting for the loop, and send what is queued."""
        run_queue = self._context.system.run_queue
        is_held = run_queue.hold()
        try:
            act(argument)
        finally:
            if is_held:
                run_queue.release()

    def _send_all(self, released: Iterable[Any]) -> None:
        for effect in released:
            self._carry_out_one(effect)

    # --- time -------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        deadline = self._algorithm.deadline
        now = self._monotonic()
        if deadline is None or now < deadline:
            self._has_waited = False  # a message during the wait moved the deadline: the next stall waits again
            return
        if now - deadline > STALL_S and deadline > 0 and not self._has_waited:
            self._has_waited = True
            self._set_timer(now + GRACE_S, GRACE_S)
            return
        self._has_waited = False
        self._carry_out(self._algorithm.tick(now=now))
        if self._batch:
            self._context.wake()

    def _arm(self) -> None:
        """Keep one timer that fires no later than the deadline; one that fires early is set again."""
        deadline = self._algorithm.deadline
        if deadline is None or (self._timer is not None and (self._has_waited or self._timer_at <= deadline)):
            return  # the timer fires in time, or it is the wait after a stall, which is not shortened
        self._set_timer(deadline, max(0.0, deadline - self._monotonic()) + self._late_s)

    def _set_timer(self, at: float, delay_s: float) -> None:
        self._stop_timer()
        self._timer_at = at
        self._timer = self._context.after(delay_s, Tick())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
