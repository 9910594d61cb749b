"""How mail is handled where a visit cannot take the short way of `Cell.visit`: asks, parcels, tasks, hooks, failures.

These are functions on a cell, in the order in which they call each other.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorFailed, ActorStopped
from coterie.runtime.cells.asks import ACTIVATION, Envelope
from coterie.runtime.cells.life_cycle import Call, State
from coterie.runtime.cells.run_queue import BATCH, LOOK_AT_CLOCK
from coterie.runtime.messages.declared_errors import is_declared
from coterie.runtime.messages.delivery_options import Parcel

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["fail", "visit_with_care"]

_ENDS_BATCH: Final = ((False,) * (BATCH - 1) + (True,)) * 16
"""Of each message of one task, whether it ends a batch: then the task goes on only if nobody waits for a visit."""


def visit_with_care(cell: Cell, end: float) -> None:
    """Visit a cell of which something special is to be thought."""
    if cell.state is State.STARTING:
        cell.life.start()
    elif cell.state is not State.RUNNING:
        pass  # a task runs this cell and pushes it again when it is done
    elif cell.kind.is_async:
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
        while count < BATCH:
            item = cell.current = cell.next_item()
            if item is None:
                break
            count += 1
            if item.__lane__ is None:
                item.open(cell, cell.actor.receive)
            else:
                cell.actor.receive(item)
            if not count % LOOK_AT_CLOCK and cell.run_queue.is_over(end):
                break
        cell.current = item = None
        _end_visit(cell)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (a handler's error is the supervisor's)
        fail(cell, error, item)
    cell.handled += count
    cell.settle()
    cell.push_if_mail()


def _begin_visit(cell: Cell) -> None:
    cell.is_woken = False
    cell.note_depth()


def _end_visit(cell: Cell) -> None:
    """Look back on the visit, and only then answer a call: what was handled in it belongs to this life."""
    if cell.state is not State.RUNNING:
        return
    if cell.kind.has_visit_end:
        cell.actor.on_visit_end()
    if cell.call is None and not cell.is_draining:
        return
    if cell.call is Call.STOP or (cell.is_draining and not cell.has_any):
        cell.life.begin_stop("stopped")
    elif cell.call is Call.REST:
        cell.call = None
        cell.life.begin_rest()
    elif cell.call is Call.RESTART:
        cell.call = None
        cell.life.supervise(ActorStopped(f"actor {cell.path!r} stopped itself, and is permanent"))


async def _drain(cell: Cell) -> None:
    """Handle mail with an `async def` receive, in a task of its own."""
    cell.task = asyncio.current_task()  # an eager task is here before `create_task` has returned it
    _begin_visit(cell)
    run_queue, queue = cell.run_queue, cell.bulk
    end, is_one_batch = run_queue.slice_end(), cell.kind.has_visit_end
    item: Any = None
    try:
        for is_batch in _ENDS_BATCH:
            item = cell.current = queue.popleft() if queue and cell.is_calm else cell.next_item()
            if item is None:
                break
            cell.handled += 1
            if item.__lane__ is None:
                await _open_awaited(cell, item)
            else:
                await cell.actor.receive(item)  # type: ignore[misc]
            if cell.waits is not None:
                cell.waits = None
            if is_batch and (is_one_batch or run_queue.is_awaited or run_queue.is_over(end)):
                break
        cell.current = item = None
        _end_visit(cell)
    except (Exception, asyncio.CancelledError) as error:  # a handler's error is the supervisor's
        cell.waits = None
        fail(cell, error, item)
        if cell.life.is_kill(error):
            raise
    cell.settle()


async def _open_awaited(cell: Cell, item: object) -> None:
    if isinstance(item, Envelope):
        await _answer_awaited(cell, item)
    elif isinstance(item, Parcel) and (message := item.unpack(cell)) is not None:
        cell.current = message
        await cell.actor.receive(message)  # type: ignore[misc]


async def _answer_awaited(cell: Cell, envelope: Envelope) -> None:
    if envelope.is_abandoned():
        cell.expire(envelope.message)
        return
    token = ACTIVATION.set(envelope)
    envelope.is_handled = True
    try:
        result = await cell.actor.receive(envelope.message)  # type: ignore[misc]
    except Exception as error:
        if not is_declared(error, envelope.message):
            raise
        envelope.reject(error)
    else:
        if cell.current is envelope:
            envelope.resolve(result)
    finally:
        envelope.is_handled = False
        try:  # noqa: SIM105 - `suppress` would cost each ask a little
            ACTIVATION.reset(token)
        except ValueError:
            pass  # it is freed with a loop that has ended, and closed in somebody else's context


def fail(cell: Cell, error: BaseException, item: object) -> None:
    """Answer the asker of what was handled when `error` came, then let the life cycle decide."""
    message = item.message if isinstance(item, Envelope | Parcel) else item
    cell.current = None
    if is_declared(error, message):
        cell.wake()  # it was told: the error has nobody to go to, and the visit ends as any other does
        return
    if isinstance(item, Envelope):
        blamed = f"{type(error).__name__}: {error}"
        item.reject(ActorFailed(f"actor {cell.path!r} failed on {type(message).__name__}: {blamed}"))
    cell.life.fail(error)
