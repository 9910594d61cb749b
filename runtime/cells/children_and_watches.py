"""`ChildrenAndWatches`: tracks one actor's children, its timers, the actors it watches, and the actors that watch it.

It also keeps the actor's pipes: futures whose results are sent to it. Made at the first use: most actors have none of
these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from coterie.runtime.actor import Terminated, Timer
from coterie.runtime.cells.ask_cycles import end_wait
from coterie.runtime.cells.life_cycle import Failure, State
from coterie.runtime.cells.undeliverable import not_a_message_error
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.refs import Ref
from coterie.runtime.user_code import is_exit

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["ChildrenAndWatches", "ToMessage", "Watched", "Watcher", "refusal_of_watch"]

T = TypeVar("T")
ToMessage = Callable[[T], object]


class Watcher(Protocol):
    """Gets a notice when an actor stops: another actor's cell, or a proxy for watchers on another node."""

    def watched_ended(self, watched: Watched, notice: Terminated) -> None:
        """Handle the notice; called once."""
        ...


class Watched(Protocol):
    """An actor that is watched: a cell of this system, or a proxy for an actor on another node."""

    ref: Ref[Any]

    def drop_watcher(self, watcher: Any, /) -> None:
        """Remove a watcher: it gets no notice."""
        ...


class ChildrenAndWatches:
    """The children, watches, timers and pipes of one cell, and the futures of the callers that wait for its stop."""

    __slots__ = ("_cell", "_pipes", "children", "stop_futures", "timers", "watched", "watchers")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.children: dict[str, Cell] = {}
        self.timers: dict[Timer, None] = {}
        self.stop_futures: list[asyncio.Future[None]] = []
        self.watchers: dict[Watcher, None] = {}
        self.watched: dict[Watched, None] = {}
        self._pipes: dict[asyncio.Future[Any], bool] = {}

    # --- children ---------------------------------------------------------------------------------------------------

    async def _stop_children(self) -> None:
        """Stop the children, the last spawned first, until none is left."""
        while self.children:
            for ended in [child.stop() for child in reversed(list(self.children.values()))]:
                await ended

    # --- timers and pipes: they end with the instance ---------------------------------------------------------------

    async def end_instance(self) -> None:
        """Cancel the timers and pipes of this instance, and stop its children."""
        self.cancel_timers()
        self._cancel_pipes()
        await self._stop_children()

    def cancel_timers(self) -> None:
        """Cancel every timer; no tick is delivered any more."""
        for timer in list(self.timers):
            timer.cancel()

    def start_timer(self, message: object, delay_s: float, interval_s: float | None) -> Timer:
        """Start a timer that ends with this instance. MessageTypeError if `message` is not a message."""
        if getattr(message, "__lane__", None) is None:
            raise not_a_message_error(message)
        timer = Timer(self._cell, message, delay_s, interval_s)
        self.timers[timer] = None
        if self._cell.state is State.STOPPED:
            timer.cancel()
        return timer

    def pipe(
        self, awaitable: Awaitable[T], to_message: ToMessage[T], on_error: ToMessage[BaseException] | None
    ) -> None:
        """Send the actor the outcome of `awaitable` as a message, unless this instance has ended by then."""
        end_wait(self._cell, awaitable)
        pipe: asyncio.Future[T] = asyncio.ensure_future(awaitable)
        self._pipes[pipe] = pipe is not awaitable
        pipe.add_done_callback(lambda pipe: self._on_pipe_done(pipe, to_message, on_error))

    def _on_pipe_done(
        self, pipe: asyncio.Future[T], to_message: ToMessage[T], on_error: ToMessage[BaseException] | None
    ) -> None:
        error = asyncio.CancelledError() if pipe.cancelled() else pipe.exception()
        if self._pipes.pop(pipe, None) is None:
            return  # the instance has ended
        if error is None:
            self._tell_made(lambda: to_message(pipe.result()))
        elif on_error is not None:
            self._tell_made(lambda: on_error(error))
        else:
            self._cell.log.error("actor.pipe_failed", error=error_line(error), exc_info=error)

    def _tell_made(self, make: Callable[[], object]) -> None:
        """Tell the actor the message that a function of its own makes; what that raises is the actor's failure."""
        try:
            self._cell.tell(make())
        except BaseException as error:
            if is_exit(error):
                raise
            self._cell.post_control(Failure(error, is_child=False))

    def own(self, task: asyncio.Task[None]) -> None:
        """Cancel `task` when this instance ends."""
        self._pipes[task] = True
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Future[None]) -> None:
        self._pipes.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._cell.log.error("actor.task_failed", error=error_line(error), exc_info=error)

    def _cancel_pipes(self) -> None:
        """Drop every pipe; the tasks that were created for them are cancelled."""
        pipes, self._pipes = self._pipes, {}
        for pipe, is_own_task in pipes.items():
            if is_own_task:
                pipe.cancel()

    # --- watching ---------------------------------------------------------------------------------------------------

    def unwatch(self, ref: Ref[Any]) -> None:
        """Stop watching the actor of `ref`; a notice that already waits in the mailbox is removed too."""
        for watched in [watched for watched in self.watched if watched.ref == ref]:
            del self.watched[watched]
            watched.drop_watcher(self._cell)
        self._cell.filter_control(lambda entry: not (isinstance(entry, Terminated) and entry.ref == ref))

    # --- stop -------------------------------------------------------------------------------------------------------

    def close(self, ref: Ref[Any], cause: str) -> None:
        """Notify the watchers, stop watching others, and cancel timers and pipes."""
        self.cancel_timers()
        self._cancel_pipes()
        watchers, self.watchers = self.watchers, {}
        for watcher in watchers:
            watcher.watched_ended(self._cell, Terminated(ref, cause))
        watched, self.watched = self.watched, {}
        for other in watched:
            other.drop_watcher(self._cell)

    def resolve_stop_futures(self) -> None:
        """Complete the futures of those callers that wait for the stop."""
        for stopped in self.stop_futures:
            if not stopped.done():
                stopped.set_result(None)
        self.stop_futures.clear()


def refusal_of_watch(ref: Ref[Any], cell: Cell | None) -> str | None:
    """Return why the end of an actor is not watched by a ref that a peer gave; None if it is.

    The watcher is told so at once, and does not fail by what a peer has sent. By the ref of a client only exported
    actors of this node are watched: the client must not learn by its deputy which others there are.

    Args:
        ref: names the actor.
        cell: the actor's, if it is one of this node and is there.

    Raises:
        ValueError: the ref is an address that this process has made.
    """
    if not ref.uid:
        text = "an address never ends; watch the actor's own ref, see System.lookup"
        if not ref.from_peer:
            raise ValueError(f"watch({ref!r}): {text}")
        return f"stopped: {text}"
    if not ref.as_client:
        return None
    is_open = cell is not None and cell.options.is_for_clients
    return None if is_open else "stopped: it is not there, or not for the client that gave this ref"
