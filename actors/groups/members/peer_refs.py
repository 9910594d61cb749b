"""`PeerRefs`: refs to the actors of one group on the other nodes, and the links to the nodes that its log names."""

from __future__ import annotations

from typing import Any

from coterie.actors.groups.members.learned_addresses import LearnedAddresses
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
        self._addresses = system.extension(LearnedAddresses)
        self._held: set[str] = set()

    def __getitem__(self, node: str) -> Ref[Any]:
        """Return the actor on `node`."""
        ref = self._ref_by_node.get(node)
        if ref is None:
            ref = self._ref_by_node[node] = self._system.at(Address(node, self._group))
        return ref

    def follow(self, members: tuple[Member, ...]) -> None:
        """Keep links to these members: at the addresses of the log, if it has them; and prefer their stores.

        The address of a node that is no member any more is given up, unless another group holds it.
        """
        network = self._system.remoting.network()
        for node in self._held.difference(member.node for member in members):
            self._held.remove(node)
            self._addresses.release(node, self._group)
        for member in members:
            if member.node == self._system.node:
                continue
            if member.address is not None:
                self._held.add(member.node)
                self._addresses.hold(member.node, member.address, self._group)
            if member.store_id is not None:
                network.trust_store(member.node, member.store_id)
