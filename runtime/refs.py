"""How actors are named: `Address` is a place, `Ref` is one actor's life at it.

A `Ref` is (node, incarnation, path, uid) and dies with its actor; a supervised restart keeps it. An `Address` is (node,
path) and means whoever lives there when a message arrives; `System.at` makes a ref of it (uid 0) that never dies.
Both are values and travel inside messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from coterie.errors import BadMessage
from coterie.runtime.messages.message import AskOf
from coterie.runtime.messages.message_codecs import Resolver

if TYPE_CHECKING:
    import asyncio

__all__ = ["Address", "Postbox", "Ref"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Address:
    """A logical place: the actor at `path` on `node`, whoever that is when a message arrives."""

    node: str
    path: str

    def to_wire(self) -> Sequence[object]:
        """Return the row that crosses the wire."""
        return (self.node, self.path)

    @classmethod
    def from_wire(cls, row: object, resolver: Resolver) -> Address:
        """Return the address of a row. BadMessage if it is none."""
        if type(row) is not tuple or list(map(type, row)) != [str, str]:
            raise BadMessage(f"expected an Address, got {row!r:.60}")
        return cls(*row)

    def __str__(self) -> str:
        return f"{self.path}@{self.node}"


class Postbox(Protocol):
    """Where a `Ref` drops messages: the actor's cell, or the way to its node."""

    def tell(self, item: object) -> None:
        """Take a message; never block, never raise for a dead or full target."""
        ...

    def ask(self, item: Any, timeout_s: float | None) -> asyncio.Future[Any]:
        """Take an ask; the future has its reply or an `AskError`."""
        ...

    def offer(self, item: object) -> asyncio.Future[None]:
        """Take a message once there is room; the future is done when it is in the mailbox."""
        ...


class Ref(Generic[M_contra]):
    """One actor's life, here or on another node. Compared and hashed by (node, incarnation, path, uid)."""

    __slots__ = ("__weakref__", "incarnation", "node", "path", "postbox", "uid")

    def __init__(self, node: str, incarnation: int, path: str, uid: int, postbox: Postbox) -> None:
        self.node = node
        self.incarnation = incarnation
        self.path = path
        self.uid = uid
        self.postbox = postbox

    def tell(self, msg: M_contra, /) -> None:
        """Send `msg`: never blocks, never raises. A dead or full target: it is counted among the dead letters."""
        self.postbox.tell(msg)

    def ask(self, msg: AskOf[M_contra, R], /, *, timeout: float | None = None) -> asyncio.Future[R]:
        """Send `msg` now and return a future of its reply.

        `timeout` in seconds (default: the system's, 5 s); never more than is left of the ask that is being handled.

        Raises:
            AskError: through the future: `AskTimeout`, `ActorStopped`, `ActorNotFound`, `ActorFailed`,
                `MailboxFullError`, `ConnectionLost`, …; each says by `outcome` whether it may have been handled.
            TransportError: through the future: `NodeUnreachable`, `OutboundFull`, `FrameTooLarge`: it was not sent.
        """
        return self.postbox.ask(msg, timeout)

    def offer(self, msg: M_contra, /) -> asyncio.Future[None]:
        """Send `msg` once there is room for it; the future is done when it is in the mailbox (back-pressure).

        Raises:
            AskError: through the future: `ActorStopped` if the actor is gone.
        """
        return self.postbox.offer(msg)

    @property
    def address(self) -> Address:
        """The place this actor lives at."""
        return Address(self.node, self.path)

    def to_wire(self) -> Sequence[object]:
        """Return the row that crosses the wire."""
        return (self.node, self.incarnation, self.path, self.uid)

    @classmethod
    def from_wire(cls, row: object, resolver: Resolver) -> object:
        """Return the ref of a row. BadMessage if it is none."""
        if type(row) is not tuple or list(map(type, row)) != [str, int, str, int]:
            raise BadMessage(f"expected a Ref, got {row!r:.60}")
        node, incarnation, path, uid = row
        return resolver.ref(node, incarnation, path, uid)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.to_wire() == other.to_wire()

    def __hash__(self) -> int:
        return hash((self.path, self.uid))

    def __repr__(self) -> str:
        life = f"#{self.uid}" if self.uid else ""
        return f"<Ref {self.path}{life}@{self.node}>"
