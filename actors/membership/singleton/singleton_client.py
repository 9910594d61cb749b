"""`SingletonClient`: sends messages to a singleton, wherever it runs.

cron = node.singleton("cron")
await cron.ask(RunNow("report"))       # waits for a holder if there is none, within the time of the ask
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar

from coterie.actors.membership.singleton.held_messages import was_not_handled
from coterie.errors import AskTimeout, ConnectionLost, CoterieError, NoTargets
from coterie.runtime.messages.message import Ask
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

__all__ = ["SingletonClient"]

R = TypeVar("R")


class SingletonClient:
    """One singleton. Each node passes its messages on to the present holder; a client sends them to one of the nodes.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the singleton's.
        nodes: returns the names of the nodes that can be reached now.
        known: returns the names of the singletons that there are; None: not known.
    """

    def __init__(
        self,
        system: System,
        name: str,
        nodes: Callable[[], Sequence[str]],
        known: Callable[[], Collection[str] | None] = lambda: None,
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._known = known
        self._last = self._avoided = ""

    async def ask(self, msg: Ask[R], *, timeout_s: float | None = None) -> R:
        """Send `msg` to the holder, and return its reply. While nobody holds the singleton, the message waits.

        `timeout_s`: seconds (default: the system's, 5 s); never more than the ask that is being handled has left.

        Raises:
            NoTargets: it was not handled: nobody held the singleton in time, too many messages wait for it, no node can
                be reached that knows it, or there is no such singleton: the text says which.
            AskError: the `outcome` shows whether it may have been handled: it is not sent again if it may.
        """
        monotonic = self._system.host.clock.monotonic
        left_s = self._system.registry.ask_deadlines.timeout_of(timeout_s)
        deadline, last = monotonic() + left_s, "no node is linked"
        for node in self._in_order():
            try:
                reply: R = await self._ref(node).ask(msg, timeout_s=max(0.0, deadline - monotonic()))
            except CoterieError as error:
                if not was_not_handled(error, msg):
                    self._avoided = node if isinstance(error, AskTimeout | ConnectionLost) else self._avoided
                    raise
                last = f"{node!r}: {error}"
            else:
                self._last = node
                return reply
        raise self._unreached(last)

    def tell(self, msg: object) -> None:
        """Send `msg` to the holder: never blocks, never raises. It may be lost, and it waits while there is no holder.

        Where no node can be reached, `msg` becomes a dead letter.
        """
        for node in self._in_order()[:1] or [self._system.node]:
            self._ref(node).tell(msg)

    def _in_order(self) -> list[str]:
        """Return the nodes to try: this one; the one that answered last, unless an answer is missing; the others."""
        own, avoided, last = self._system.node, self._avoided, self._last
        return sorted(self._nodes(), key=lambda node: (node != own, node == avoided, node != last, node))

    def _ref(self, node: str) -> Ref[Any]:
        return self._system.at(Address(node, self._name))

    def _unreached(self, last: str) -> CoterieError:
        known = self._known()
        if known is not None and self._name not in known:
            names = ", ".join(map(repr, sorted(known))) or "none"
            return NoTargets(f"there is no singleton {self._name!r}: the singletons are {names}")
        return NoTargets(f"singleton {self._name!r} was not reached by {self._system.node!r}: {last}")
