"""`Membership`: lists the members of a group, each with its node, its store and its role, and encodes the list durably.

A membership is the content of a membership entry (dissertation §4.1). The founders of a group are its entry at index 0:
nodes without stores, since each node starts before it knows the stores of the others. Later entries fill them in.

Members change by joint consensus (dissertation §4.3), here while a store is replaced:

    n1: voter   n2: voter   n3/old: voter      n3/new: learner         majority of n1, n2, n3/old
    n1: voter   n2: voter   n3/old: outgoing   n3/new: incoming        of n1, n2, n3/old *and* of n1, n2, n3/new
    n1: voter   n2: voter   n3/new: voter                              majority of n1, n2, n3/new
"""

from __future__ import annotations

import enum
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NewType, TypeVar

from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Joint, Majority, Quorum
from coterie.protocols.raft.membership.quorum_records import decode_quorum, encode_quorum

__all__ = ["MEMBERSHIP_FORMAT", "Member", "MemberRole", "Membership", "StoreId"]

StoreId = NewType("StoreId", str)
"""The id of a log store: 32 hex digits, drawn when it was formatted."""

MEMBERSHIP_FORMAT = 1
"""The version of the encoding. Raise it when the encoding changes, and keep the old fixture."""

T = TypeVar("T")


class MemberRole(enum.Enum):
    """The part that a member takes. The values are durable: never reuse one."""

    VOTER = "voter"
    LEARNER = "learner"  # gets the entries, and counts for nothing
    INCOMING = "incoming"  # a joint change: a voter of the new members only
    OUTGOING = "outgoing"  # a joint change: a voter of the old members only

    @property
    def is_old(self) -> bool:
        """Whether it votes among the members before a joint change."""
        return self in (MemberRole.VOTER, MemberRole.OUTGOING)

    @property
    def is_new(self) -> bool:
        """Whether it votes among the members after a joint change."""
        return self in (MemberRole.VOTER, MemberRole.INCOMING)


_ROLE_AFTER: Final = {MemberRole.INCOMING: MemberRole.VOTER}
"""The roles that become others when the joint state ends."""

_REPLACING: Final = (MemberRole.INCOMING, MemberRole.LEARNER)
"""The roles of a store that takes the place of another on the same node."""

_REPLACEMENTS: Final = ({MemberRole.VOTER, MemberRole.LEARNER}, {MemberRole.OUTGOING, MemberRole.INCOMING})
"""The roles of the two stores of one node, while the new one catches up and while it takes the place of the old one."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `node` only routes messages, `store_id` (None: not known yet) is what counts in quorums.

    `address` (`host:port`) is where nodes and clients reach it; None: the configuration of each says so.
    """

    node: NodeId
    store_id: StoreId | None = None
    role: MemberRole = MemberRole.VOTER
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The members of a group, in the order of their nodes.

    Attributes:
        members: each store once, and each node once, unless its store is being replaced: then the old and the new one.
        quorum: which voters may decide, by their nodes; None: more than half of them; in a joint change, of the old
            and of the new ones.

    Raises:
        ValueError: there is no voter (old or new), a node or store is listed twice, or the quorum names a node that is
            no voter, cannot be recorded, or is no simple majority in a joint change.
    """

    members: tuple[Member, ...]
    quorum: Quorum | None = None

    def __post_init__(self) -> None:
        in_order = sorted(self.members, key=lambda member: (member.node, member.store_id or ""))
        object.__setattr__(self, "members", tuple(in_order))
        _check_nodes(self.members)
        _check_distinct("store", [member.store_id for member in self.members if member.store_id is not None])
        roles = {member.role for member in self.members}
        if not any(role.is_old for role in roles) or not any(role.is_new for role in roles):
            raise ValueError("a group needs at least one voter")
        if self.is_joint and self.quorum is not None:
            raise ValueError(f"the members of a group with {self.quorum!r} cannot be changed: only simple majorities")
        unknown = [node for node in self.quorum.members if node not in self.voters] if self.quorum is not None else []
        if unknown:
            raise ValueError(f"the quorum names {unknown}, which are not among the voters {list(self.voters)}")
        encode_quorum(self.quorum)

    @classmethod
    def founding(cls, nodes: Sequence[NodeId], quorum: Quorum | None = None) -> Membership:
        """Return the membership at index 0: voters on `nodes`, whose stores are not known yet."""
        return cls(tuple(Member(node) for node in nodes), quorum)

    @property
    def is_joint(self) -> bool:
        """Whether this is the state between two sets of members, in which a decision needs both."""
        return any(member.role in (MemberRole.INCOMING, MemberRole.OUTGOING) for member in self.members)

    @property
    def voters(self) -> tuple[NodeId, ...]:
        """The nodes of the voters, old and new, each once."""
        return _once(member.node for member in self.members if member.role is not MemberRole.LEARNER)

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes of all members, each once."""
        return _once(member.node for member in self.members)

    def members_on(self, node: NodeId) -> tuple[Member, ...]:
        """Return the members on `node`: none, one, or (while its store is replaced) two."""
        return tuple(member for member in self.members if member.node == node)

    def after_joint(self) -> Membership:
        """Return the membership that follows this joint one: outgoing voters are gone, incoming ones are voters."""
        kept = (member for member in self.members if member.role is not MemberRole.OUTGOING)
        return replace(self, members=tuple(replace(each, role=_ROLE_AFTER.get(each.role, each.role)) for each in kept))

    def quorum_of(self, key_by_member: Mapping[Member, NodeId]) -> Quorum:
        """Return which voters may decide, by their keys."""
        if self.quorum is not None:
            return self.quorum.renamed({member.node: key for member, key in key_by_member.items()})
        old = Majority(tuple(key_by_member[member] for member in self.members if member.role.is_old))
        if not self.is_joint:
            return old
        return Joint(old, Majority(tuple(key_by_member[member] for member in self.members if member.role.is_new)))

    def __str__(self) -> str:
        """Return the nodes, and the quorum if it is no simple majority, as text."""
        names = ", ".join(self.nodes)
        return names if self.quorum is None else f"{names} with {self.quorum!r}"

    def store_of(self, node: str) -> StoreId | None:
        """Return the store of the member on `node` (the new one, if it is being replaced); None if there is none."""
        stores = {member.role: member.store_id for member in self.members if member.node == node}
        replacing = [store for role, store in stores.items() if role in _REPLACING]
        return next(iter([*replacing, *stores.values()]), None)

    def with_stores(self, store_by_node: Mapping[NodeId, StoreId]) -> Membership:
        """Return this membership with these stores filled in where none is known yet."""
        filled = [
            member if member.store_id is not None else replace(member, store_id=store_by_node.get(member.node))
            for member in self.members
        ]
        return replace(self, members=tuple(filled))

    def hash(self) -> bytes:
        """Return the SHA-256 of the encoding (32 bytes)."""
        return hashlib.sha256(self.encode()).digest()

    def encode(self) -> bytes:
        """Return the content of a membership entry: JSON text, the same bytes for equal memberships."""
        members = [
            {"address": each.address, "node": each.node, "role": each.role.value, "store": each.store_id}
            for each in self.members
        ]
        record = {"format": MEMBERSHIP_FORMAT, "members": members, "quorum": encode_quorum(self.quorum)}
        return json.dumps(record, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Membership:
        """Return the membership that `encode` made `data` of.

        Raises:
            ValueError: `data` is not the encoding of a membership.
            UnsupportedFormat: it has another format.
        """
        try:
            record = _exact(dict, json.loads(data))
            if (found := _exact(int, record["format"])) != MEMBERSHIP_FORMAT:
                raise UnsupportedFormat("membership", found=found, supported=MEMBERSHIP_FORMAT, part="format")
            members = tuple(_member(row) for row in _exact(list, record["members"]))
            membership = cls(members, decode_quorum(record["quorum"]))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{data[:80]!r} is no membership: {error!r}") from error
        if membership.encode() != data:
            raise ValueError(f"{data[:80]!r} differs from the encoding of the same membership")
        return membership


def _member(row: object) -> Member:
    record = _exact(dict, row)
    store, address = record["store"], record["address"]
    return Member(
        NodeId(_exact(str, record["node"])),
        None if store is None else StoreId(_exact(str, store)),
        MemberRole(record["role"]),
        None if address is None else _exact(str, address),
    )


def _exact(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value


def _once(nodes: Iterable[NodeId]) -> tuple[NodeId, ...]:
    return tuple(dict.fromkeys(nodes))


def _check_nodes(members: Sequence[Member]) -> None:
    """Refuse a node that is listed twice, unless one of its stores replaces the other."""
    for node, of_node in itertools.groupby(members, key=lambda member: member.node):
        stores = list(of_node)
        if len(stores) > 1 and not _are_old_and_new(stores):
            raise ValueError(f"a node is listed twice: {node}")


def _are_old_and_new(stores: Sequence[Member]) -> bool:
    roles = {store.role for store in stores}
    return len(stores) == 2 and all(store.store_id for store in stores) and roles in _REPLACEMENTS


def _check_distinct(what: str, names: Sequence[str]) -> None:
    if len(dict.fromkeys(names)) != len(names):
        raise ValueError(f"a {what} is listed twice: {', '.join(names)}")
