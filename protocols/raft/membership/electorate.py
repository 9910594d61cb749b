"""`Electorate`: knows which stores count in the quorums of a group, as one node sees it, and on which nodes they are.

Inside Raft a member is known by its *key*: the id of its store. Votes, progress and the senders of messages are keyed
by it, so that a node that comes back with another store counts for nothing. Nodes only route.

    membership (log)   n1: s1   n2: s2   n3: -
    heard of           n1: s1   n2: s2   n3: s3       (by messages of active voters, while the log says nothing)
    keys                   s1       s2       s3       without s3: `n3?`, which is part of the quorum's size,
                                                      to which messages are sent, and which never answers

In simulations and tests of the algorithm alone, stores are named like their nodes.

A node need not be a member: one that joins has to get the log before it learns the members from it, one that was
removed is none any more, and one that was away may not know those that speak to it. The senders that are no members
here are *strangers*; where they are is remembered, so that they can be answered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.membership.membership import Member, MemberRole, Membership, StoreId
from coterie.protocols.replicated_log import LogIndex

__all__ = ["Electorate", "is_placeholder"]

STRANGERS_MAX = 64
"""Of so many stores that are no members it is remembered where they are: those that spoke last."""

_UNKNOWN: Final = "?"
_STAYING: Final = (MemberRole.VOTER, MemberRole.INCOMING)


class _NoQuorum:
    """The quorum of a group whose members are not known: nobody decides."""

    members: tuple[NodeId, ...] = ()

    def is_quorum(self, members: Collection[NodeId]) -> bool:
        """Return False."""
        return False

    def renamed(self, new_by_member: Mapping[NodeId, NodeId]) -> _NoQuorum:
        """Return this."""
        return self


class Electorate:
    """The members of one group by key.

    Args:
        own_key: the key of this node: the id of its store.
        own_node: the name of this node.
        membership: the effective one; None: it is not known yet.
    """

    __slots__ = (
        "_heard_by_node",
        "_key_by_member",
        "_node_by_key",
        "_node_by_stranger",
        "expelled_at",
        "is_expelled",
        "is_recorded",
        "membership",
        "own_key",
        "own_node",
        "peers",
        "quorum",
        "voting_peers",
    )

    def __init__(self, own_key: NodeId, own_node: NodeId, membership: Membership | None) -> None:
        self.own_key = own_key
        self.own_node = own_node
        self.membership = membership
        self._heard_by_node = {own_node: StoreId(own_key)}
        self._key_by_member: dict[Member, NodeId] = {}
        self._node_by_key: dict[NodeId, NodeId] = {}
        self._node_by_stranger: dict[NodeId, NodeId] = {}
        self.peers: tuple[NodeId, ...] = ()
        """The keys of all other members, including those of unknown stores."""
        self.voting_peers: tuple[NodeId, ...] = ()
        """The keys of the peers that vote."""
        self.quorum: Quorum
        """Which voters may decide, by their keys."""
        self.is_recorded = False
        """Whether the membership has every store that is known here."""
        self.is_expelled = False
        """Whether a later membership, which is not in the log here, is known to lack this node (`RemovalNotices`)."""
        self.expelled_at = LogIndex(0)
        """The index of the entry of the last such membership that this node was told of; 0: of none."""
        self._refresh()

    def adopt(self, membership: Membership | None) -> None:
        """Let `membership` be the effective one. Where members are that it lacks is remembered."""
        former = self._node_by_key
        self.membership, self.is_expelled = membership, False
        self._refresh()
        for key, node in former.items():
            if key not in self._node_by_key and not is_placeholder(key):
                self._remember(key, node)

    def hear(self, node: NodeId, store: StoreId) -> bool:
        """Note that the active voter on `node` has `store`; return whether that was news about a present member."""
        key = NodeId(store)
        if key not in self._node_by_key:
            self._remember(key, node)
        if node in self._heard_by_node or store in self._heard_by_node.values():
            return False
        self._heard_by_node[node] = store
        before = self._key_by_member
        self._refresh()
        return self._key_by_member != before

    def node_of(self, key: NodeId) -> NodeId | None:
        """Return the node of the member `key`; None if it is no member."""
        return self._node_by_key.get(key)

    def route_of(self, key: NodeId) -> NodeId | None:
        """Return the node to which messages for `key` go: also if it was a member, or spoke without being one."""
        return self._node_by_key.get(key) or self._node_by_stranger.get(key)

    def is_seat_open(self, stranger: NodeId) -> bool:
        """Return whether the log does not say yet which store the member on the stranger's node has."""
        node = self._node_by_stranger.get(stranger)
        members = () if self.membership is None else self.membership.members
        return any(member.node == node and member.store_id is None for member in members)

    @property
    def is_member(self) -> bool:
        """Whether this node's own store is that of a member, as far as it knows."""
        return not self.is_expelled and self.own_key in self._node_by_key

    def stays(self, key: NodeId) -> bool:
        """Return whether `key` is a voter that stays one: it is not on its way out."""
        return any(of_member == key and member.role in _STAYING for member, of_member in self._key_by_member.items())

    @property
    def is_voter(self) -> bool:
        """Whether this node's own store is that of a voter."""
        return self.own_key in self.quorum.members

    def quorum_of(self, membership: Membership) -> Quorum:
        """Return which voters of `membership` may decide, by their keys."""
        heard = self._unbound_heard()
        return membership.quorum_of({member: _key(member, heard) for member in membership.members})

    def completed_membership(self) -> Membership:
        """Return the membership with all stores that are known here filled in. ValueError if there is none."""
        if self.membership is None:
            raise ValueError("the members are not known")
        return self.membership.with_stores(self._unbound_heard())

    def _unbound_heard(self) -> dict[NodeId, StoreId]:
        members = () if self.membership is None else self.membership.members
        bound = [member.store_id for member in members]
        return {node: store for node, store in self._heard_by_node.items() if store not in bound}

    def _refresh(self) -> None:
        heard, members = self._unbound_heard(), () if self.membership is None else self.membership.members
        self._key_by_member = {member: _key(member, heard) for member in members}
        self._node_by_key = {key: member.node for member, key in self._key_by_member.items()}
        self.is_recorded = not any(member.store_id is None and member.node in heard for member in members)
        self.peers = tuple(key for key in self._node_by_key if key != self.own_key)
        self.quorum = _NoQuorum() if self.membership is None else self.membership.quorum_of(self._key_by_member)
        self.voting_peers = tuple(key for key in self.peers if key in self.quorum.members)

    def _remember(self, stranger: NodeId, node: NodeId) -> None:
        self._node_by_stranger.pop(stranger, None)
        self._node_by_stranger[stranger] = node
        if len(self._node_by_stranger) > STRANGERS_MAX:
            del self._node_by_stranger[next(iter(self._node_by_stranger))]


def is_placeholder(key: NodeId) -> bool:
    """Return whether `key` stands for a store that is not known yet."""
    return key.endswith(_UNKNOWN)


def _key(member: Member, heard: Mapping[NodeId, StoreId]) -> NodeId:
    store = member.store_id or heard.get(member.node)
    return NodeId(f"{member.node}{_UNKNOWN}" if store is None else store)
