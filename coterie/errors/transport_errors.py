"""Transport errors: what went wrong between two nodes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from coterie.errors.actor_errors import AskError
from coterie.errors.root_error import CoterieError

__all__ = [
    "BrokenFrame",
    "FrameTooLarge",
    "HandshakeRefused",
    "InsecureBind",
    "NoTargets",
    "NodeUnreachable",
    "OutboundFull",
    "TooManyParts",
    "TransportError",
]


AGAIN: Final = "send again once its link is up"


class TransportError(CoterieError):
    """The base class of the errors between two nodes. Unless a subclass says otherwise, nothing was sent."""


class NodeUnreachable(TransportError):
    """There is no link to `node` now: the item was not queued and will not be sent."""

    def __init__(self, node: str, why: str, *, advice: str = AGAIN) -> None:
        super().__init__(f"node {node!r} is unreachable ({why}): nothing was sent; {advice}")
        self.node = node

    @classmethod
    def at(cls, addresses: Collection[str], why: str, *, advice: str = AGAIN) -> NodeUnreachable:
        """Return the error of somebody who has no link to any node, at these addresses (none: wherever)."""
        error = cls(", ".join(addresses), why, advice=advice)
        where = f" at {' or '.join(addresses)}" if addresses else ""
        error.args = (f"no node{where} can be reached ({why}): nothing was sent; {advice}",)
        return error


class NoTargets(NodeUnreachable, AskError):
    """A pool or balancer has no target that can be asked now: nothing was sent. `pool` is "" if it is on another node.

    It crosses the wire as itself, unlike other errors of the transport: a balancer passes it on.
    """

    code = "no_targets"

    def __init__(self, text: str, *, pool: str = "") -> None:
        CoterieError.__init__(self, text)
        self.node = self.pool = pool


class OutboundFull(TransportError):
    """Too many bytes already wait for `node` (it reads too slowly, or not at all): the item was not queued."""

    def __init__(self, node: str, *, size_bytes: int, pending_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"outbound buffer to node {node!r} is full ({pending_bytes} of {limit_bytes} bytes wait): an item of "
            f"{size_bytes} bytes was refused; send less, send later, or raise outbound_limit_bytes="
        )
        self.node, self.size_bytes = node, size_bytes
        self.pending_bytes, self.limit_bytes = pending_bytes, limit_bytes


class FrameTooLarge(TransportError):
    """One item exceeds the size limit of `node`: it was not queued."""

    def __init__(
        self, node: str, *, size_bytes: int, limit_bytes: int, setting: str = "message_cap_bytes= on every node"
    ) -> None:
        super().__init__(
            f"an item for node {node!r} has {size_bytes} bytes, the limit is {limit_bytes}: it was refused; "
            f"send it in parts, or raise {setting}"
        )
        self.node, self.size_bytes, self.limit_bytes = node, size_bytes, limit_bytes

    @classmethod
    def told(cls, text: str) -> FrameTooLarge:
        """Return the error with which a node answered: all that is known of it is its text."""
        error = cls("", size_bytes=0, limit_bytes=0)
        error.args = (text,)
        return error


class TooManyParts(FrameTooLarge):
    """One item has more arrays, maps and entries of maps than its size allows: it was not queued."""

    def __init__(self, node: str, *, size_bytes: int, parts_max: int) -> None:
        super().__init__(node, size_bytes=size_bytes, limit_bytes=size_bytes)
        self.parts_max = parts_max
        text = (
            f"an item for node {node!r} of {size_bytes} bytes has more than {parts_max} parts (an array is one, a map "
            f"four, an entry of a map two): it was refused; send it in several messages, or numbers as one bytes"
        )
        self.args = (text,)


class BrokenFrame(TransportError):
    """The peer sent bytes that are not a valid frame: its connection is closed and counted."""


class HandshakeRefused(TransportError):
    """A handshake failed: `reason` is the short code (`wrong_cluster`, …), the message has the details."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(f"{reason}: {text}")
        self.reason = reason


class InsecureBind(TransportError):
    """Listening on an address that is not loopback, without authentication, was refused before anything was bound."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"refused to listen on {host!r}: connections are neither authenticated nor encrypted, and any program that "
            f"reaches it could act as a node; listen on 127.0.0.1, give auth= or tls=, or pass insecure=True on a "
            f"network you trust"
        )
        self.host = host
