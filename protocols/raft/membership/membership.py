"""`Membership`: lists the members of a group, each with its node, its store and its role, and encodes the list durably.

A membership is the content of a membership entry (dissertation §4.1). The founders of a group are its entry at index 0:
nodes without stores, since each node starts before it knows the stores of the others. Later entries fill them in.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NewType, TypeVar

from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Quorum
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
    LEARNER = "learner"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: `node` only routes messages, `store_id` (None: not known yet) is what counts in quorums."""

    node: NodeId
    store_id: StoreId | None = None
    role: MemberRole = MemberRole.VOTER


@dataclass(frozen=True, slots=True)
class Membership:
    """The members of a group, in the order of their nodes.

    Attributes:
        members: each node once, and each store once.
        quorum: which voters may decide, by their nodes; None: more than half of them.

    Raises:
        ValueError: there is no voter, a node or store is listed twice, or the quorum names a node that is no voter or
            cannot be recorded.
    """

    members: tuple[Member, ...]
    quorum: Quorum | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(sorted(self.members, key=lambda member: member.node)))
        _check_distinct("node", [member.node for member in self.members])
        _check_distinct("store", [member.store_id for member in self.members if member.store_id is not None])
        if not self.voters:
            raise ValueError("a group needs at least one voter")
        unknown = [node for node in self.quorum.members if node not in self.voters] if self.quorum is not None else []
        if unknown:
            raise ValueError(f"the quorum names {unknown}, which are not among the voters {list(self.voters)}")
        encode_quorum(self.quorum)

    @classmethod
    def founding(cls, nodes: Sequence[NodeId], quorum: Quorum | None = None) -> Membership:
        """Return the membership at index 0: voters on `nodes`, whose stores are not known yet."""
        return cls(tuple(Member(node) for node in nodes), quorum)

    @property
    def voters(self) -> tuple[NodeId, ...]:
        """The nodes of the voters."""
        return tuple(member.node for member in self.members if member.role is MemberRole.VOTER)

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The nodes of all members."""
        return tuple(member.node for member in self.members)

    def __str__(self) -> str:
        """Return the nodes, and the quorum if it is no simple majority, as text."""
        names = ", ".join(self.nodes)
        return names if self.quorum is None else f"{names} with {self.quorum!r}"

    def store_of(self, node: str) -> StoreId | None:
        """Return the store of the member on `node`; None if it is not known, or there is no such member."""
        return next((member.store_id for member in self.members if member.node == node), None)

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
            {"node": member.node, "role": member.role.value, "store": member.store_id} for member in self.members
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
    store = record["store"]
    return Member(
        NodeId(_exact(str, record["node"])),
        None if store is None else StoreId(_exact(str, store)),
        MemberRole(record["role"]),
    )


def _exact(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value


def _check_distinct(what: str, names: Sequence[str]) -> None:
    if len(dict.fromkeys(names)) != len(names):
        raise ValueError(f"a {what} is listed twice: {', '.join(names)}")
