"""`ClientLinks`: dials the addresses that a client was given; knows whether it is linked, or refused by all.

A refusal is definite if it comes again until somebody changes an option: a wrong key, another cluster, TLS at one end
only; see `definite_refusals.py`. All else passes by itself: a node that does not answer may be up in a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from coterie.actors.network_addresses import format_address
from coterie.errors import NodeUnreachable
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.remote.refused_handshakes import TEXT_CHARS_MAX
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.definite_refusals import advice_on

__all__ = ["ClientLinks"]


class ClientLinks:
    """The links of a client to the addresses that it was given.

    Args:
        system: the client's system, which runs.
        addresses: the addresses, as (host, port).
    """

    def __init__(self, system: System, addresses: Sequence[tuple[str, int]]) -> None:
        self._system = system
        self._addresses = tuple(dict.fromkeys(map(format_address, addresses)))
        self._refusal_by_address: dict[str, str] = {}  # the latest one of each address, if it is definite
        self._changed = asyncio.Event()
        self._ignore_links = system.on_link(self._note_event)
        system.remoting.refusal_listeners.append(self._note_refusal)
        for host, port in addresses:
            system.dial(host, port)

    def close(self) -> None:
        """Take no notice of links any more."""
        self._ignore_links()
        self._system.remoting.refusal_listeners.remove(self._note_refusal)

    async def first(self, timeout_s: float) -> None:
        """Wait until there is a link.

        Raises:
            NodeUnreachable: there is none within `timeout_s` seconds, or each address refuses this client for a reason
                that does not pass: see `definite_refusal`.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self.until(lambda: bool(self._system.links) or self.definite_refusal is not None)
        except TimeoutError as error:
            raise self._not_linked(timeout_s) from error
        if (refusal := self.definite_refusal) is not None:
            raise refusal

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds that only links, refusals and what calls `note_change` can change."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def note_change(self) -> None:
        """Let those that wait look again."""
        self._changed.set()

    @property
    def definite_refusal(self) -> NodeUnreachable | None:
        """The error, if each address has refused this client for a reason that does not pass, and it has no link."""
        if self._system.links or any(one not in self._refusal_by_address for one in self._addresses):
            return None
        why = "; ".join(f"{address}: {reason}" for address, reason in self._refusal_by_address.items())
        return NodeUnreachable.at(self._addresses, f"this client is refused: {why}", advice=self._advice)

    def _not_linked(self, timeout_s: float) -> NodeUnreachable:
        why = f"no link in {timeout_s:g} s: {str(self._system.remoting.refused_handshakes) or 'no node answers'}"
        advice = self._advice or "compare the addresses (--connect), and see the logs of the nodes"
        return NodeUnreachable.at(self._addresses, why, advice=advice)

    @property
    def _advice(self) -> str:
        """What to change, for each kind of definite refusal; "" without one."""
        codes = dict.fromkeys(reason.partition(":")[0] for reason in self._refusal_by_address.values())
        return "; ".join(dict.fromkeys(filter(None, map(advice_on, codes))))

    def _note_event(self, event: LinkEvent) -> None:
        if event.kind == "up":
            self._refusal_by_address.clear()
        self.note_change()

    def _note_refusal(self, address: str, reason: str) -> None:
        """Take a failed handshake; `reason` is a code, a colon, and a text of the other end's choice."""
        if address not in self._addresses:
            return
        if advice_on(reason.partition(":")[0]) is None:
            self._refusal_by_address.pop(address, None)
            return
        self._refusal_by_address[address] = printable(reason, TEXT_CHARS_MAX)
        self.note_change()
