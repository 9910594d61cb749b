"""`LearnedAddresses`: the addresses of nodes that groups have learned from their logs, and operators have named.

All groups of a node share its links: so a link is given up only once nothing on the node asks for it any more.
"""

from __future__ import annotations

from coterie.actors.network_addresses import parse_address
from coterie.runtime.system import System

__all__ = ["LearnedAddresses"]


class LearnedAddresses:
    """The addresses that were learned on one system: `system.extension(LearnedAddresses)`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._place_by_holder: dict[str, dict[str, tuple[str, int]]] = {}  # by node; the latest one counts
        self._former: dict[str, tuple[str, int] | None] = {}  # where it was before anything was learned

    def hold(self, node: str, address: str, holder: str) -> None:
        """Keep a link to `node` at `address` (`host:port`) for `holder`. ValueError if that is no address."""
        place, held = parse_address(address), self._place_by_holder.setdefault(node, {})
        if held.get(holder) == place:
            return
        if not held:
            self._former[node] = self._system.remoting.network().address_of(node)
        held.pop(holder, None)
        held[holder] = place
        self._link(node, place)

    def release(self, node: str, holder: str) -> None:
        """Undo `hold`: what others hold counts, or else what was known before. A link that is up stays."""
        held = self._place_by_holder.get(node, {})
        if held.pop(holder, None) is None:
            return
        if held:
            self._link(node, list(held.values())[-1])
            return
        del self._place_by_holder[node]
        former, network = self._former.pop(node), self._system.remoting.network()
        if former is None:
            network.remove_peer(node)
        elif former != network.address_of(node):
            network.add_peer(node, *former)

    def _link(self, node: str, place: tuple[str, int]) -> None:
        network = self._system.remoting.network()
        if network.address_of(node) != place:
            network.add_peer(node, *place, is_known_there=False)
