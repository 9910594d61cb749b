"""`HeldMessages`: passes messages on to the actor of a singleton, and keeps them while nobody holds it.

    asker ──ask──▶ SingletonActor of any node ──ask──▶ actor of the epoch, on the holder's node
          ◀─reply─                            ◀─reply─

The path of that actor has the epoch in it, so a message that was meant for one epoch never reaches another one. An ask
whose target has certainly not handled it is sent again, to the next holder. One that may have been handled is not: its
error says that the outcome is unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from coterie.errors import ActorNotFound, ActorStopped, CoterieError, NoTargets, Outcome, TransportError
from coterie.runtime.messages.declared_errors import is_declared
from coterie.runtime.messages.message import Ask
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["WAITING_MAX", "HeldMessages", "was_not_handled"]

WAITING_MAX: Final = 1_000
"""So many messages wait for a holder, on each node; further ones are refused."""

TELL_S: Final = 30.0
"""For so long a message that was told waits for a holder."""

PAUSE_MIN_S: Final = 0.02
PAUSE_MAX_S: Final = 0.3


def was_not_handled(error: CoterieError, msg: Ask[Any]) -> bool:
    """Return whether an ask that ended so has certainly not been handled, and another node or actor may handle it."""
    if isinstance(error, NoTargets) or is_declared(error, msg):
        return False  # the answer of an actor that had work
    return isinstance(error, TransportError | ActorStopped | ActorNotFound) and error.outcome is Outcome.DEFINITE


class HeldMessages:
    """The messages of one singleton that this node passes on.

    Args:
        system: the node's.
        path: that of the `SingletonActor`.
        target: returns the ref of the actor that is known to run; None if none is.
    """

    def __init__(self, system: System, path: str, target: Callable[[], Ref[Any] | None]) -> None:
        self._system = system
        self._path = path
        self._target = target
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._monotonic = system.host.clock.monotonic

    @property
    def waiting(self) -> int:
        """How many messages wait for a holder."""
        return len(self._waiting)

    def changed(self) -> None:
        """Let the messages that wait look for the holder, in the order in which they came."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def ask(self, msg: Ask[Any], deadline: float) -> object:
        """Pass an ask on, when there is a holder; return the reply.

        `deadline`: that of the ask (monotonic, s).

        Raises:
            NoTargets: nobody holds the singleton, until shortly before the deadline; or too many messages wait.
            CoterieError: that of the holder; if its outcome is unknown, the ask may have been handled.
        """
        give_up_at = deadline - min(0.2, 0.1 * (deadline - self._monotonic()))
        pause_s, why = PAUSE_MIN_S, "nobody holds it"
        while True:
            target = await self._held(give_up_at, why)
            try:
                return await target.ask(msg, timeout_s=deadline - self._monotonic())
            except CoterieError as error:
                if not was_not_handled(error, msg):
                    raise
                why = str(error)
            await self._wait(min(give_up_at, self._monotonic() + pause_s))
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def tell(self, msg: object) -> None:
        """Pass a message on, when there is a holder; it becomes a dead letter if there is none for long."""
        try:
            target = await self._held(self._monotonic() + TELL_S, "nobody holds it")
        except NoTargets as error:
            self._system.dead_letters.add(Reason.UNREACHABLE, self._path, msg, str(error))
        else:
            target.tell(msg)

    async def _held(self, until: float, why: str) -> Ref[Any]:
        while (target := self._target()) is None:
            if self._monotonic() >= until:
                raise self._refusal(why)
            await self._wait(until)
        if self._monotonic() >= until:
            raise self._refusal(why)
        return target

    async def _wait(self, until: float) -> None:
        """Wait for a change, until a time at the latest.

        A message that waits when its node stops has not been sent: so its asker is told, instead of an unknown outcome.
        """
        if len(self._waiting) >= WAITING_MAX:
            raise self._refusal(f"{WAITING_MAX:,} messages wait for it already")
        waiter: asyncio.Future[None] = self._system.loop.create_future()
        self._waiting[waiter] = None
        try:
            await asyncio.wait([waiter], timeout=max(0.0, until - self._monotonic()))
        except asyncio.CancelledError:
            raise self._refusal("this node has stopped passing messages on") from None
        finally:
            del self._waiting[waiter]

    def _refusal(self, why: str) -> CoterieError:
        error = NoTargets(f"singleton {self._path!r} was not reached by node {self._system.node!r}: {why}")
        error.for_clients = str(error)  # it names nothing but the singleton, which the client has asked, and nodes
        return error
