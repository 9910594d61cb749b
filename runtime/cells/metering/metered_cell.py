"""`MeteredCell`: runs an actor whose asks are metered while its `RequestMeter` wants it, and knows its open asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.cell import Cell
from coterie.runtime.cells.metering.metered_envelope import MeteredEnvelope
from coterie.runtime.cells.metering.request_meter import RequestMeter
from coterie.runtime.cells.metering.timed_coroutine import TimedCoroutine
from coterie.runtime.messages.lanes import Lane

if TYPE_CHECKING:
    from coterie.runtime.actor import Actor
    from coterie.runtime.cells.spawn_options import SpawnOptions
    from coterie.runtime.system import System

__all__ = ["MeteredCell"]

NO_CLASSES: Final[frozenset[type]] = frozenset()

SWEEP_AT_LEAST: Final = 64
"""With fewer deferred replies than this, those that are over are not looked for at each new one."""


class MeteredCell(Cell):
    """The cell of an actor that was spawned with a meter.

    `LocalRef.ask` enqueues messages of the actor class's `plain` classes itself. While this cell meters, that set is
    empty, so that every ask comes to `post`, which wraps it. Nothing is tested at an ask of an actor without a meter.
    """

    __slots__ = ("_deferred", "_is_metering", "_meter", "_sweep_at")

    def __init__(
        self,
        system: System,
        path: str,
        uid: int,
        factory: Callable[[], Actor[Any]],
        options: SpawnOptions,
        parent: Cell | None,
        *,
        meter: RequestMeter,
    ) -> None:
        self._meter = meter
        self._is_metering = False
        self._deferred: dict[Envelope, None] = {}
        self._sweep_at = SWEEP_AT_LEAST
        super().__init__(system, path, uid, factory, options, parent)
        meter.attach(self._set_metering)

    def make_actor(self) -> None:
        """Make a new instance of the actor; it is metered as the old one was."""
        super().make_actor()
        self._set_metering(self._is_metering)

    def _set_metering(self, is_metering: bool) -> None:
        self._is_metering = is_metering
        actor_class = self.system.registry.actor_class_of(type(self.actor))
        self.actor_class = replace(actor_class, plain=NO_CLASSES) if is_metering else actor_class

    def post(self, envelope: Envelope, lane: Lane) -> None:
        """Enqueue the envelope of an ask, wrapped while this cell meters."""
        if not self._is_metering:
            super().post(envelope, lane)
            return
        metered = MeteredEnvelope(envelope, self._meter, self.ask_deadlines.monotonic)
        super().post(metered, lane)
        metered.enter()

    @property
    def open_asks(self) -> int:
        """The asks that the actor has taken and not answered: deferred replies and stashed asks, up to their deadlines.

        The one that is being handled, and those in the mailbox, do not count.
        """
        self._sweep()
        stashed = [_plain(item) for item in self.stashed or () if isinstance(item, Envelope)]
        return len(self._deferred) + sum(1 for envelope in stashed if not envelope.is_abandoned())

    def defer_reply(self, message: object) -> Envelope | None:
        """Do as `Cell.defer_reply`, and remember the ask until it is over."""
        envelope = super().defer_reply(message)
        if envelope is not None:
            if len(self._deferred) >= self._sweep_at:
                self._sweep()
                self._sweep_at = max(SWEEP_AT_LEAST, 2 * len(self._deferred))
            self._deferred[_plain(envelope)] = None
        return envelope

    def _sweep(self) -> None:
        for envelope in [envelope for envelope in self._deferred if envelope.is_abandoned()]:
            del self._deferred[envelope]

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task, timed while this cell meters: `async def` handlers run there."""
        if self._is_metering:
            work = TimedCoroutine(work, self.ask_deadlines.monotonic, self._meter.used_loop)
        super().run(work)


def _plain(envelope: Envelope) -> Envelope:
    """Return the ask without its meter: whether it is over can be asked at any time."""
    return envelope.inner if isinstance(envelope, MeteredEnvelope) else envelope
