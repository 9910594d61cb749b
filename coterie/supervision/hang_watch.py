"""`HangWatch`: asks the nodes of a supervised cluster periodically, and fences one that hangs (see `fencing.py`)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from coterie.runtime.system import System
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason
from coterie.supervision.fencing import RETURN_LIMIT_S, choose_fence
from coterie.supervision.node_supervisor import NodeSupervisor
from coterie.supervision.node_watch import NodeWatch

__all__ = ["HangWatch"]

ROUND_S: Final = 0.5
"""Time between two rounds of questions, s."""

SLOWNESS_S: Final = 0.5
"""How much longer a round may take before it counts as a pause of this process, s."""


class HangWatch:
    """Watches the nodes that `supervisors` run, until its task is cancelled.

    Args:
        system: a client of the cluster, which dials all nodes.
        supervisors: by node.
        addresses: `host:port` of each node, as the client dials it.
        hang_timeout_s: how long a node may be silent, s; 0: nothing is fenced.
    """

    def __init__(
        self,
        system: System,
        supervisors: Mapping[str, NodeSupervisor],
        addresses: Mapping[str, str],
        hang_timeout_s: float,
    ) -> None:
        self._monotonic = system.host.clock.monotonic
        self._hang_timeout_s = hang_timeout_s
        self._supervisors = supervisors
        self._watches = {
            node: NodeWatch(system, supervisor, hang_timeout_s, ROUND_S + SLOWNESS_S)
            for node, supervisor in supervisors.items()
        }
        self._node_by_address = {address: node for node, address in addresses.items()}
        self._overdue: set[str] = set()
        system.remoting.refusal_listeners.append(self._note_refusal)

    async def run(self) -> None:
        """Ask and fence until cancelled."""
        if self._hang_timeout_s == 0:
            return
        began_s = self._monotonic()
        try:
            while True:
                await asyncio.sleep(ROUND_S)
                now_s = self._monotonic()
                self._next_round(now_s - began_s)
                began_s = now_s
        finally:
            for watch in self._watches.values():
                watch.forget()

    def _note_refusal(self, address: str, reason: str) -> None:
        node = self._node_by_address.get(address)
        if node is not None and reason.partition(":")[0] == RefusalReason.TOO_MANY_CONNECTIONS.value:
            self._watches[node].refused_as_full()

    def _next_round(self, round_s: float) -> None:
        for watch in self._watches.values():
            watch.next_round(round_s)
        states = [watch.state for watch in self._watches.values()]
        failed_by_observer = {node: watch.failed for node, watch in self._watches.items() if watch.failed is not None}
        fence = choose_fence(states, failed_by_observer, hang_timeout_s=self._hang_timeout_s)
        if fence is not None:
            self._watches[fence.node].fence(fence.reason)
        overdue = {state.node for state in states if (state.returning_s or 0.0) >= RETURN_LIMIT_S}
        for node in sorted(overdue - self._overdue):
            self._supervisors[node].note(
                f"has not answered for {RETURN_LIMIT_S:g} s since it was fenced: other nodes may be fenced again"
            )
        self._overdue = overdue
