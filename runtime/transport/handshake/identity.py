"""Identity: holds the name, role and incarnation (a random number for each start) of the two systems of a link."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from coterie.runtime.observing.printable_text import is_printable, printable

__all__ = ["CLIENT_SEPARATOR", "NAME_CHARS_MAX", "Peer", "PeerRole", "SystemIdentity", "owner_of"]

CLIENT_SEPARATOR = "+"
"""Separates the name to which a client's key or certificate was issued from the suffix that the client adds."""

NAME_CHARS_MAX = 128
"""The longest name of a cluster or node, in characters: any Hello must fit into 4 KiB."""


class PeerRole(enum.Enum):
    """Role of a system in the cluster. The values travel on the wire."""

    NODE = "node"  # a member, named by the topology
    CLIENT = "client"  # a program outside: it dials and is never dialled


@dataclass(frozen=True, slots=True)
class SystemIdentity:
    """Identity of this system. All names are printable.

    Attributes:
        cluster: the cluster's id. A client may give "": it then takes that of the first node that welcomes it.
        node: our name, unique in the cluster, 1 to `NAME_CHARS_MAX` characters.
        incarnation: a random number (0 … 2**64-1) of this process run, compared for equality only.
        role: node or client.
        store: the id of our durable store, at most `NAME_CHARS_MAX` characters; "" without one.
    """

    cluster: str
    node: str
    incarnation: int
    role: PeerRole = PeerRole.NODE
    store: str = ""

    def __post_init__(self) -> None:
        if not self.node:
            raise ValueError(f"a node's name has 1 to {NAME_CHARS_MAX} characters, not 0: ''")
        for what, name in (("node's name", self.node), ("cluster's id", self.cluster), ("store's id", self.store)):
            if len(name) > NAME_CHARS_MAX:
                raise ValueError(f"a {what} has at most {NAME_CHARS_MAX} characters, not {len(name)}: {name!r:.80}")
            if not is_printable(name):
                raise ValueError(f"a {what} must be printable, not '{printable(name)}'")
        if not self.cluster and self.role is PeerRole.NODE:
            raise ValueError(f"node {self.node!r} needs the id of its cluster; only a client may leave it open")
        if not 0 <= self.incarnation < 2**64:
            raise ValueError(f"an incarnation is in 0 … 2**64-1, not {self.incarnation}")


@dataclass(frozen=True, slots=True)
class Peer:
    """Identity of the other end: name, incarnation, role, and the id of its durable store ("" without one).

    `could_be_node`: what it proved itself with would do for a node, too: a node's key or certificate, or nothing where
    this end asks for no proof. Known of peers that dialled.
    """

    node: str
    incarnation: int
    role: PeerRole
    store: str = ""
    could_be_node: bool = field(default=False, compare=False)


def owner_of(client: str) -> str:
    """Return the name to which the key or certificate of a client is issued, which may add a suffix to it."""
    return client.split(CLIENT_SEPARATOR, 1)[0]
