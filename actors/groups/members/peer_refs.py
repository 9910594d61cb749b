"""`PeerRefs`: refs to the actors of one group on the other nodes, and the links to the nodes that its log names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from coterie.actors.network_addresses import parse_address
from coterie.protocols.raft.membership.membership import Member
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

__all__ = ["PeerRefs"]


class PeerRefs:
    """The peers of one replica.

    Args:
        system: of this node.
        group: the name of the group, which is the path of its actors.
    """

    def __init__(self, system: System, group: str) -> None:
        self._system = system
        self._group = group
        self._ref_by_node: dict[str, Ref[Any]] = {}
        self._undo_by_node: dict[str, Callable[[], None]] = {}

    def __getitem__(self, node: str) -> Ref[Any]:
        """Return the actor on `node`."""
        ref = self._ref_by_node.get(node)
        if ref is None:
            ref = self._ref_by_node[node] = self._system.at(Address(node, self._group))
        return ref

    def follow(self, members: tuple[Member, ...]) -> None:
        """Keep links to these members: at the addresses of the log, if it has them; and prefer their stores.

        What was done for the address of a node that is no member any more is undone; a link that is up stays.
        """
        network = self._system.remoting.network()
        for node in [node for node in self._undo_by_node if all(member.node != node for member in members)]:
            self._undo_by_node.pop(node)()
        for member in members:
            if member.node == self._system.node:
                continue
            if member.address is not None:
                self._undo_by_node.setdefault(member.node, self.link(member.node, member.address))
            if member.store_id is not None:
                network.trust_store(member.node, member.store_id)

    def link(self, node: str, address: str) -> Callable[[], None]:
        """Keep a link to `node` at `address` (`host:port`); return what undoes that. ValueError if it is no address."""
        network, place = self._system.remoting.network(), parse_address(address)
        former = network.address_of(node)
        if former == place:
            return lambda: None
        network.add_peer(node, *place, is_known_there=False)
        return partial(network.remove_peer, node) if former is None else partial(self._system.add_peer, node, *former)
