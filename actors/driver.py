"""The driver: the only seam between the pure protocols and the runtime.

    receive ──▶ feed(event) …            on_visit_end ──▶ flush ──▶ Algorithm.handle(batch)
                                                                        │ effects, in order
    store ──▶ persisted(token) ─▶ Gate ─▶ held sends leave              ▼
                     └────────── wake ─▶ next batch         Gate ─▶ Persist, Send, Observe, and the algorithm's own

One driver belongs to one life of an actor. It collects what one visit of the cell delivered and hands it over at once,
so that a hundred commands become one disk write and one message, and a lone command waits for nothing. Answers of the
disk never queue in the bounded mailbox: they wake the cell. A life that has ended answers nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, Protocol, TypeVar

from coterie.protocols.algorithm import Algorithm, Observe, Persist, Persisted, Send, Token
from coterie.protocols.durability_gate import Gate
from coterie.runtime.actor import Context, Timer
from coterie.runtime.messages.message import message

__all__ = ["Driver", "Duties", "Tick"]

EventT = TypeVar("EventT")
AnswerT = TypeVar("AnswerT", covariant=True)
EffectT = TypeVar("EffectT")

STALL_S: Final = 0.01
"""A tick that comes later than this means that the process stood still: mail may have arrived that it has not seen."""

GRACE_S: Final = 0.002
"""How long such a tick waits, so that the loop reads its sockets once: otherwise every pause becomes an election."""


@message(name="coterie.Tick")
class Tick:
    """The driver's timer went off. It never crosses the wire."""


class Duties(Protocol[AnswerT]):
    """What differs between algorithms: the actor does these for its driver."""

    def persist(self, write: Any, done: Callable[[], None]) -> None:
        """Make `write` durable, in order of the calls; then call `done` on the loop."""
        ...

    def send(self, to: str, message: Any) -> None:
        """Send a peer message; it may be lost."""
        ...

    def perform(self, effect: Any) -> AnswerT | None:
        """Carry out an effect of the algorithm's own; the event that answers it at once, if one does."""
        ...

    def observed(self, event: str, facts: Any) -> None:
        """Take note of what the algorithm tells."""
        ...


@dataclass(slots=True)
class Load:
    """How much one driver has done in this life: `batches` handled, `events` in them, `writes` asked for."""

    batches: int = 0
    events: int = 0
    writes: int = 0


class Driver(Generic[EventT, EffectT]):
    """Runs one algorithm for one life of its actor. Call `feed` from `receive`, `flush` from `on_visit_end`.

    Args:
        algorithm: the pure protocol object, fresh.
        context: the actor's context: its timers, clock and `wake`.
        duties: what the actor does for it.
    """

    def __init__(self, algorithm: Algorithm[EventT | Persisted, EffectT], context: Context, duties: Duties[EventT]):
        self._algorithm = algorithm
        self._context = context
        self._duties = duties
        self._monotonic = context.clock.monotonic
        self._gate: Gate[EffectT] = Gate()
        self._batch: list[EventT | Persisted] = []
        self._timer: Timer | None = None
        self._timer_at = 0.0
        self._is_tick_due = False
        self._has_waited = False
        self._is_alive = True
        self.load = Load()

    def feed(self, event: EventT) -> None:
        """Add an event to the batch of this visit."""
        self._batch.append(event)

    def wake_with(self, event: EventT) -> None:
        """Add an event that comes from outside a visit (an answer of the disk), and let a visit come soon."""
        if self._is_alive:
            self._batch.append(event)
            self._context.wake()

    def ticked(self) -> None:
        """Take note that the timer went off; `flush` looks at the time after what has arrived is handled."""
        self._stop_timer()
        self._is_tick_due = True

    def flush(self) -> None:
        """Hand the batch over and carry the effects out, until nothing is left; then look at the time.

        Raises:
            InvariantViolated: a safety invariant is broken: the actor must end and never come back in this state.
        """
        while self._batch:
            batch, self._batch = self._batch, []
            self.load.batches += 1
            self.load.events += len(batch)
            self._carry_out(self._algorithm.handle(batch, now=self._monotonic()))
        if self._is_tick_due:
            self._is_tick_due = False
            self._tick()
        self._arm()

    def close(self) -> None:
        """End this life: what the disk or a timer answers from now on is dropped."""
        self._is_alive = False
        self._batch.clear()
        self._stop_timer()

    # --- effects ----------------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Any) -> None:
        for effect in self._gate.admit(effects):
            self._do(effect)

    def _do(self, effect: Any) -> None:
        if isinstance(effect, Send):
            self._duties.send(effect.to, effect.message)
        elif isinstance(effect, Persist):
            self.load.writes += 1
            self._duties.persist(effect.write, partial(self._persisted, effect.token))
        elif isinstance(effect, Observe):
            self._duties.observed(effect.event, effect.facts)
        else:
            answer = self._duties.perform(effect)
            if answer is not None:
                self._batch.append(answer)

    def _persisted(self, token: Token) -> None:
        if not self._is_alive:
            return  # a write of an earlier life: its token means nothing to the present one
        run_queue = self._context.system.run_queue
        is_held = run_queue.hold()  # what this wakes has its visit now, and all that is sent leaves together
        try:
            for effect in self._gate.persisted(token):
                self._do(effect)
            self._batch.append(Persisted(token))
            self._context.wake()
        finally:
            if is_held:
                run_queue.release()

    # --- time -------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        deadline = self._algorithm.deadline
        now = self._monotonic()
        if deadline is None or now < deadline:
            self._has_waited = False  # what came during the wait has moved the deadline: the next stall gets its own
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
        """Keep one timer that goes off no later than the deadline; an early one looks again and is set anew."""
        deadline = self._algorithm.deadline
        if deadline is None or (self._timer is not None and (self._has_waited or self._timer_at <= deadline)):
            return  # a wait after a stall is not cut short either, although its deadline has passed
        self._set_timer(deadline, max(0.0, deadline - self._monotonic()))

    def _set_timer(self, at: float, delay_s: float) -> None:
        self._stop_timer()
        self._timer_at = at
        self._timer = self._context.after(delay_s, Tick())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
