"""What ties an actor to others: its children, who watches it, whom it watches, its timers, its pipes.

Made when the first of them is: most actors have none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from coterie.runtime.actor import Terminated, Timer
from coterie.runtime.cells.ask_cycles import end_wait
from coterie.runtime.cells.life_cycle import State
from coterie.runtime.cells.undeliverable import no_message
from coterie.runtime.refs import Ref

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Bonds", "ToMessage", "Watched", "Watcher"]

T = TypeVar("T")
ToMessage = Callable[[T], object]


class Watcher(Protocol):
    """Who is told of an actor's end: another actor, or a node for its actors."""

    def watched_ended(self, watched: Watched, notice: Terminated) -> None:
        """Take the notice, once."""
        ...


class Watched(Protocol):
    """Whose end somebody waits for: an actor here, or what stands for one on another node."""

    ref: Ref[Any]

    def drop_watcher(self, watcher: Any, /) -> None:
        """Tell `watcher` nothing."""
        ...


class Bonds:
    """The bonds of one cell."""

    __slots__ = ("_cell", "_pipes", "children", "ends", "timers", "watched", "watchers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.children: dict[str, Cell] = {}
        self.timers: dict[Timer, None] = {}
        self.ends: list[asyncio.Future[None]] = []
        self.watchers: dict[Watcher, None] = {}
        self.watched: dict[Watched, None] = {}
        self._pipes: dict[asyncio.Future[Any], bool] = {}

    # --- children ---------------------------------------------------------------------------------------------------

    async def _stop_children(self) -> None:
        """Stop the children, last spawned first, until there are none."""
        while self.children:
            for ended in [child.stop() for child in reversed(list(self.children.values()))]:
                await ended

    # --- what dies with an instance ---------------------------------------------------------------------------------

    async def end_instance(self) -> None:
        """Let nothing come any more of what this instance began, and stop its children."""
        self.cancel_timers()
        self._cancel_pipes()
        await self._stop_children()

    def cancel_timers(self) -> None:
        """Let no tick come any more."""
        for timer in list(self.timers):
            timer.cancel()

    def start_timer(self, message: object, delay_s: float, interval_s: float | None) -> Timer:
        """Start a timer that dies with this instance. MessageTypeError if `message` is none."""
        if getattr(message, "__lane__", None) is None:
            raise no_message(message)
        timer = Timer(self._cell, message, delay_s, interval_s)
        self.timers[timer] = None
        if self._cell.state is State.STOPPED:
            timer.cancel()
        return timer

    def pipe(
        self, awaitable: Awaitable[T], to_message: ToMessage[T], on_error: ToMessage[BaseException] | None
    ) -> None:
        """Tell the actor of the outcome of `awaitable`, unless this instance has gone by then."""
        end_wait(self._cell, awaitable)
        pipe: asyncio.Future[T] = asyncio.ensure_future(awaitable)
        self._pipes[pipe] = pipe is not awaitable
        pipe.add_done_callback(lambda pipe: self._piped(pipe, to_message, on_error))

    def _piped(
        self, pipe: asyncio.Future[T], to_message: ToMessage[T], on_error: ToMessage[BaseException] | None
    ) -> None:
        error = asyncio.CancelledError() if pipe.cancelled() else pipe.exception()
        if self._pipes.pop(pipe, None) is None:
            return  # nobody is there to hear of it
        if error is None:
            self._cell.tell(to_message(pipe.result()))
        elif on_error is not None:
            self._cell.tell(on_error(error))
        else:
            self._cell.log.error("actor.pipe_failed", error=f"{type(error).__name__}: {error}", exc_info=error)

    def _cancel_pipes(self) -> None:
        """Let nothing of them come any more; what was begun for them is cancelled."""
        pipes, self._pipes = self._pipes, {}
        for pipe, is_own in pipes.items():
            if is_own:
                pipe.cancel()

    # --- watching ---------------------------------------------------------------------------------------------------

    def unwatch(self, ref: Ref[Any]) -> None:
        """Hear no more of the actor of `ref`, not even by a notice that waits already."""
        for watched in [watched for watched in self.watched if watched.ref == ref]:
            del self.watched[watched]
            watched.drop_watcher(self._cell)
        self._cell.keep_control(lambda entry: not (isinstance(entry, Terminated) and entry.ref == ref))

    # --- the end ----------------------------------------------------------------------------------------------------

    def cut(self, ref: Ref[Any], cause: str) -> None:
        """Tell the watchers, forget whom it watched and what it began."""
        self.cancel_timers()
        self._cancel_pipes()
        watchers, self.watchers = self.watchers, {}
        for watcher in watchers:
            watcher.watched_ended(self._cell, Terminated(ref, cause))
        watched, self.watched = self.watched, {}
        for other in watched:
            other.drop_watcher(self._cell)

    def tell_ends(self) -> None:
        """Let whoever waits for the end go on."""
        for ended in self.ends:
            if not ended.done():
                ended.set_result(None)
        self.ends.clear()
