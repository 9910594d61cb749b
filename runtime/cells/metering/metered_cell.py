"""`MeteredCell`: runs an actor whose asks are metered while its `RequestMeter` wants it; else it is a plain `Cell`."""

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


class MeteredCell(Cell):
    """The cell of an actor that was spawned with a meter.

    `LocalRef.ask` enqueues messages of the actor class's `plain` classes itself. While this cell meters, that set is
    empty, so that every ask comes to `post`, which wraps it. Nothing is tested at an ask of an actor without a meter.
    """

    __slots__ = ("_is_metering", "_meter")

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
        super().__init__(system, path, uid, factory, options, parent)
        meter.attach(self._set_metering)

    def make_actor(self) -> None:
        """Make a new instance of the actor; it is metered as the old one was."""
        super().make_actor()
        self._set_metering(self._is_metering)

    def _set_metering(self, is_metering: bool) -> None:
        self._is_metering = is_metering
        actor_class = self.system.actor_class_of(type(self.actor))
        self.actor_class = replace(actor_class, plain=NO_CLASSES) if is_metering else actor_class

    def post(self, envelope: Envelope, lane: Lane) -> None:
        """Enqueue the envelope of an ask, wrapped while this cell meters."""
        if not self._is_metering:
            super().post(envelope, lane)
            return
        metered = MeteredEnvelope(envelope, self._meter, self.ask_deadlines.monotonic)
        super().post(metered, lane)
        metered.enter()

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task, timed while this cell meters: `async def` handlers run there."""
        if self._is_metering:
            work = TimedCoroutine(work, self.ask_deadlines.monotonic, self._meter.used_loop)
        super().run(work)
