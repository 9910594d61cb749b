"""`Electorate`: knows which stores count in the quorums of a group, as one node sees it, and on which nodes they are.

Inside Raft a member is known by its *key*: the id of its store. Votes, progress and the senders of messages are keyed
by it, so that a node that comes back with another store counts for nothing. Nodes only route.

    membership (log)   n1: s1   n2: s2   n3: -
    heard of           n1: s1   n2: s2   n3: s3       (by messages of active voters, while the log says nothing)
    keys                   s1       s2       s3       without s3: `n3?`, which is part of the quorum's size,
                                                      to which messages are sent, and which never answers

In simulations and tests of the algorithm alone, stores are named like their nodes.
"""

from __future__ import annotations

from collections.abc import Mapping

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.membership.membership import Member, Membership, StoreId

__all__ = ["Electorate"]


class Electorate:
    """The members of one group by key.

    Args:
        own_key: the key of this node: the id of its store.
        own_node: the name of this node.
        membership: the effective one.
    """

    __slots__ = (
        "_heard_by_node",
        "_key_by_member",
        "_node_by_key",
        "is_recorded",
        "membership",
        "own_key",
        "own_node",
        "peers",
        "quorum",
    )

    def __init__(self, own_key: NodeId, own_node: NodeId, membership: Membership) -> None:
        self.own_key = own_key
        self.own_node = own_node
        self.membership = membership
        self._heard_by_node = {own_node: StoreId(own_key)}
        self._key_by_member: dict[Member, NodeId] = {}
        self._node_by_key: dict[NodeId, NodeId] = {}
        self.peers: tuple[NodeId, ...] = ()
        """The keys of all other members, including those of unknown stores."""
        self.quorum: Quorum
        """Which voters may decide, by their keys."""
        self.is_recorded = False
        """Whether the membership has every store that is known here."""
        self._refresh()

    def adopt(self, membership: Membership) -> None:
        """Let `membership` be the effective one."""
        self.membership = membership
        self._refresh()

    def hear(self, node: NodeId, store: StoreId) -> bool:
        """Note that the active voter on `node` has `store`; return whether that was news about a present member."""
        if node in self._heard_by_node or store in self._heard_by_node.values():
            return False
        self._heard_by_node[node] = store
        before = self._key_by_member
        self._refresh()
        return self._key_by_member != before

    def node_of(self, key: NodeId) -> NodeId | None:
        """Return the node of the member `key`; None if it is no member."""
        return self._node_by_key.get(key)

    @property
    def is_voter(self) -> bool:
        """Whether this node's own store is that of a voter."""
        return self.own_key in self.quorum.members

    def completed_membership(self) -> Membership:
        """Return the membership with all stores that are known here filled in."""
        return self.membership.with_stores(self._unbound_heard())

    def _unbound_heard(self) -> dict[NodeId, StoreId]:
        bound = [member.store_id for member in self.membership.members]
        return {node: store for node, store in self._heard_by_node.items() if store not in bound}

    def _refresh(self) -> None:
        heard = self._unbound_heard()
        self._key_by_member = {member: _key(member, heard) for member in self.membership.members}
        self._node_by_key = {key: member.node for member, key in self._key_by_member.items()}
        self.is_recorded = not any(
            member.store_id is None and member.node in heard for member in self.membership.members
        )
        self.peers = tuple(key for key in self._node_by_key if key != self.own_key)
        self.quorum = self.membership.quorum_of(self._key_by_member)


def _key(member: Member, heard: Mapping[NodeId, StoreId]) -> NodeId:
    store = member.store_id or heard.get(member.node)
    return NodeId(f"{member.node}?" if store is None else store)
