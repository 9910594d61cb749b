"""`start_reply_task`: lets a task make the reply to an ask; what it asks is asked on behalf of the ask's sender.

A handler that awaits another actor's reply blocks its own actor meanwhile. A task does not. So that deadlines and ask
cycles stay visible, the asks of the task inherit the deadline and the chain of the ask that is being answered, as those
of an `async def` handler do, and this actor is a hop of that chain:

    A awaits ──ask──▶ B (a task replies) ──ask──▶ A        refused at once: A → B → A, instead of a deadlock
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from coterie.errors import ActorFailed, AskCycle, CoterieError, NoTargets
from coterie.runtime.cells.ask_cycles import CURRENT_CELL
from coterie.runtime.cells.asks import CURRENT_ASK, Envelope, PendingAsk
from coterie.runtime.messages.declared_errors import is_declared
from coterie.runtime.observing.error_texts import type_name
from coterie.runtime.user_code import actor_failed, check_reply, is_closing, is_exit, is_of

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["HOPS_MAX", "start_reply_task"]

HOPS_MAX: Final = 64
"""The longest chain of an ask that may be passed on: a longer one is taken for a loop of actors that pass it on."""


class _Asker:
    """What `AskDeadlines` needs of the cell that makes an ask: a task stands in for it.

    It is no cell, so that the waits of the task do not count as waits of the actor, which goes on handling messages.
    """

    __slots__ = ("current", "handled", "path", "ref", "system", "task", "waits")

    def __init__(self, cell: Cell, envelope: Envelope) -> None:
        self.system = cell.system
        self.path = cell.path
        self.ref = cell.ref
        self.handled = cell.handled
        self.current = envelope
        self.task: asyncio.Task[None] | None = None
        self.waits: dict[int, PendingAsk] | None = None


def start_reply_task(cell: Cell, envelope: Envelope | None, work: Coroutine[Any, Any, object]) -> None:
    """Run `work` in a task that ends with this instance of the actor; its result, or error, answers `envelope`.

    Args:
        cell: the actor that replies.
        envelope: the ask, whose reply was deferred; None: the message was told, and the result is dropped.
        work: makes the reply.
    """
    if envelope is not None and len(envelope.chain) >= HOPS_MAX:
        work.close()
        text = f"{type(envelope.message).__name__} was passed on {HOPS_MAX} times, here by {cell.path!r}: a loop?"
        envelope.reject(AskCycle(text, chain=tuple(f"{hop.path}@{hop.node}" for hop in envelope.chain)))
        return
    context = contextvars.Context()
    asker = None if envelope is None else _Asker(cell, envelope)
    if asker is not None:
        context.run(CURRENT_ASK.set, envelope)
        context.run(CURRENT_CELL.set, cast("Cell", asker))
    name = f"coterie:reply of {cell.path}"
    task = cell.system.loop.create_task(_reply(cell, envelope, asker, work), name=name, context=context)
    task.add_done_callback(lambda _: work.close())  # it may have been cancelled before it began
    cell.relations.own(task)


async def _reply(
    cell: Cell, envelope: Envelope | None, asker: _Asker | None, work: Coroutine[Any, Any, object]
) -> None:
    if envelope is None or asker is None:
        await work
        return
    asker.task = asyncio.current_task()
    envelope.is_handled = True
    try:
        reply = await work
        check_reply(reply)
        envelope.resolve(reply)
    except asyncio.CancelledError:
        envelope.reject(ActorFailed(f"actor {cell.path!r} ended before it could reply"))
        raise
    except BaseException as error:
        if is_exit(error) or is_closing(error):
            raise
        if is_declared(error, envelope.message):
            envelope.reject(error)
        elif is_of(error, CoterieError):
            # Its text may name the actor that `work` has asked, which is not for clients.
            if not (is_of(error, NoTargets) and error.for_clients):  # it has said itself what is for clients
                error.for_clients = f"actor {cell.path!r} passed on an error: {type_name(error)}"
            envelope.reject(error)
        else:
            envelope.reject(actor_failed(error))
    finally:
        envelope.is_handled = False
