"""Slow path: handles an actor's messages if a plain function call is not enough (async handlers, hooks, stop signals).

These are functions on a cell, in the order in which they call each other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorStopped
from coterie.runtime.actor_task import forget_cancellation, marks_of
from coterie.runtime.cells.asks import CURRENT_ASK, Envelope
from coterie.runtime.cells.life_cycle import LifeCycleSignal, State
from coterie.runtime.cells.run_queue import CLOCK_CHECK_MESSAGES, VISIT_MESSAGES_MAX
from coterie.runtime.cells.stash import unstash_failed
from coterie.runtime.messages.declared_errors import is_declared
from coterie.runtime.messages.delivery_options import WrappedMessage
from coterie.runtime.observing.error_texts import type_name
from coterie.runtime.user_code import PLAIN_RESULTS, actor_failed, check_reply, check_result, is_closing, is_exit

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["fail", "visit_slowly"]

_ENDS_BATCH: Final = ((False,) * (VISIT_MESSAGES_MAX - 1) + (True,)) * 16
"""For each message of one task, True if it ends a batch: then the task goes on only if no other cell waits."""


def visit_slowly(cell: Cell, end: float) -> None:
    """Visit a cell in any state, of any actor class."""
    if cell.state is State.STARTING:
        cell.life_cycle.start()
    elif cell.state is not State.RUNNING:
        pass  # a task runs this cell and requests the next visit when it is done
    elif cell.actor_class.is_async:
        cell.run(_drain(cell))
    elif cell.scope is not None:
        cell.scope.run(_visit_inline, cell, end)
    else:
        _visit_inline(cell, end)


def _visit_inline(cell: Cell, end: float) -> None:
    _begin_visit(cell)
    count = 0
    item: Any = None
    try:
        while count < VISIT_MESSAGES_MAX:
            item = cell.current = cell.next_item()
            if item is None:
                break
            count += 1
            if item.__lane__ is None:
                item.open(cell, cell.actor.receive)
            elif (result := cell.actor.receive(item)) is not None:
                check_result(cell, result)
            if not count % CLOCK_CHECK_MESSAGES and cell.run_queue.is_over(end):
                break
        cell.current = item = None
        _end_visit(cell)
    except BaseException as error:  # noqa: BLE001 (a handler's error is the supervisor's)
        fail(cell, error, item)
    cell.handled += count
    cell.update_bulk_only()
    cell.push_if_needed()


def _begin_visit(cell: Cell) -> None:
    cell.is_woken = False
    depth = (len(cell.bulk) if cell.bulk else 0) + len(cell.consensus or ())
    if depth > cell.high_water:
        cell.high_water = depth


def _end_visit(cell: Cell) -> None:
    """Call `on_visit_end`, and only then obey a pending signal: the visit's messages belong to this instance."""
    if cell.state is not State.RUNNING:
        return
    if cell.actor_class.has_visit_end:
        cell.actor.on_visit_end()
    if cell.pending_signal is None and not cell.is_draining:
        return
    if cell.pending_signal is LifeCycleSignal.STOP or (cell.is_draining and not cell.has_any):
        cell.life_cycle.begin_stop("stopped")
    elif cell.pending_signal is LifeCycleSignal.PAUSE:
        cell.pending_signal = None
        cell.life_cycle.begin_pause()
    elif cell.pending_signal is LifeCycleSignal.RESTART:
        cell.pending_signal = None
        cell.life_cycle.supervise(ActorStopped(f"actor {cell.path!r} stopped itself, and is permanent"))


async def _drain(cell: Cell) -> None:
    """Handle messages with an `async def` receive, in a separate task."""
    cell.task = asyncio.current_task()  # an eager task gets here before `create_task` has returned it
    marks = marks_of(cell.task)
    _begin_visit(cell)
    actor, run_queue, queue = cell.actor, cell.run_queue, cell.bulk
    end, is_one_batch = run_queue.slice_end(), cell.actor_class.has_visit_end
    item: Any = None
    try:
        for is_batch in _ENDS_BATCH:
            item = cell.current = queue.popleft() if queue and cell.is_bulk_only else cell.next_item()
            if item is None:
                break
            cell.handled += 1
            if item.__lane__ is None:
                await _open_awaited(cell, item)
            else:
                await actor.receive(item)  # type: ignore[misc]
            if cell.waits is not None:
                cell.waits = None
            if marks.is_marked and not cell.life_cycle.is_killed:
                await forget_cancellation(cell.task)
            if is_batch and (is_one_batch or run_queue.has_runnable or run_queue.is_over(end)):
                break
        cell.current = item = None
        _end_visit(cell)
    except BaseException as error:  # a handler's error is the supervisor's
        if is_closing(error):
            raise
        cell.waits = None
        fail(cell, error, item)
        if cell.life_cycle.is_kill(error):
            raise
    cell.update_bulk_only()


async def _open_awaited(cell: Cell, item: object) -> None:
    if isinstance(item, Envelope):
        await _answer_awaited(cell, item)
    elif isinstance(item, WrappedMessage) and (message := item.unwrap(cell)) is not None:
        cell.current = message
        await cell.actor.receive(message)  # type: ignore[misc]


async def _answer_awaited(cell: Cell, envelope: Envelope) -> None:
    if envelope.is_abandoned():
        cell.expire(envelope.message)
        return
    token = CURRENT_ASK.set(envelope)
    envelope.is_handled = True
    try:
        result = await cell.actor.receive(envelope.message)  # type: ignore[misc]
    except Exception as error:
        if not is_declared(error, envelope.message):
            raise
        envelope.reject(error)
    else:
        if cell.current is envelope:
            if type(result) not in PLAIN_RESULTS:
                check_reply(result)
            envelope.resolve(result)
    finally:
        envelope.is_handled = False
        try:  # noqa: SIM105 - `suppress` would make each ask slower
            CURRENT_ASK.reset(token)
        except ValueError:
            pass  # the coroutine was closed in another context, after its loop had ended


def fail(cell: Cell, error: BaseException, item: object) -> None:
    """Reject the ask that was being handled when `error` was raised, then let the life cycle decide.

    An exit is raised again instead. A message that is in the stash already is taken out: it is not handled again.
    """
    if is_exit(error):
        raise error
    message = item.message if isinstance(item, Envelope | WrappedMessage) else item
    if cell.current is None and item is not None:
        unstash_failed(cell, item, message)
    cell.current = None
    if is_declared(error, message):
        cell.wake()  # sent by tell: there is no asker to get the error, and the visit ends normally
        return
    if isinstance(item, Envelope):
        where = f"actor {cell.path!r} failed on {type_name(message)}"
        item.reject(actor_failed(error, where))
    cell.life_cycle.fail(error, message)
