"""Who is at the ends of a link."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["NAME_CHARS_MAX", "Identity", "Peer", "Role"]

NAME_CHARS_MAX = 128
"""The longest name of a cluster or node, in characters: a hello has to fit into 4 KiB whatever is in it."""


class Role(enum.Enum):
    """What a system is to the cluster. The values travel on the wire."""

    NODE = "node"  # a member, named by the topology
    CLIENT = "client"  # a program outside: it dials, nobody dials it


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are.

    Attributes:
        cluster: the cluster's id. A client may give "" and learns it from the first node that welcomes it.
        node: our name, unique in the cluster, 1 to `NAME_CHARS_MAX` characters.
        incarnation: a random number (0 … 2**64-1) of this process life, compared for equality only.
        role: node or client.
    """

    cluster: str
    node: str
    incarnation: int
    role: Role = Role.NODE

    def __post_init__(self) -> None:
        if not 1 <= len(self.node) <= NAME_CHARS_MAX:
            raise ValueError(f"a node's name has 1 to {NAME_CHARS_MAX} characters, not {len(self.node)}: {self.node!r}")
        if len(self.cluster) > NAME_CHARS_MAX:
            raise ValueError(f"a cluster's id has at most {NAME_CHARS_MAX} characters: {self.cluster!r}")
        if not self.cluster and self.role is Role.NODE:
            raise ValueError(f"node {self.node!r} needs the id of its cluster; only a client may leave it open")
        if not 0 <= self.incarnation < 2**64:
            raise ValueError(f"an incarnation is in 0 … 2**64-1, not {self.incarnation}")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end: a node's name, one life of it, and its role."""

    node: str
    incarnation: int
    role: Role
