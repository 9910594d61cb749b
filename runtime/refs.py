"""`Ref`: refers to one actor and sends it messages; `Address`: refers to the actor that has a path on a node now.

A `Ref` is (node, incarnation, path, uid) and is valid until its actor stops; a supervised restart keeps it. An
`Address` is (node, path) and means the actor that has the path when a message arrives; `System.at` makes a ref of it
(uid 0) that never becomes invalid. Both are values and travel inside messages.

A ref's route is decided when the ref is made, in `System` (`spawn`, `ref` and `at` choose its `Delivery`), and carried
out by that object: the actor's `Cell`, `LocalDelivery` for a path of this system, `RemoteDelivery` for another node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, cast

from coterie.errors import BadMessage
from coterie.runtime.messages.message import AskOf
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.messages.value_codecs import Resolver

if TYPE_CHECKING:
    import asyncio

__all__ = ["Address", "Delivery", "Ref"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Address:
    """A logical address: the actor that has `path` on `node` when a message arrives."""

    node: str
    path: str

    def to_wire(self) -> Sequence[object]:
        """Return the row that crosses the wire."""
        return (self.node, self.path)

    @classmethod
    def from_wire(cls, row: object, resolver: Resolver) -> Address:
        """Return the address in a row. BadMessage if the row is not an address."""
        if type(row) is not tuple or list(map(type, row)) != [str, str]:
            raise BadMessage(f"expected an Address, got {short_value(row)}")
        return cls(*row)

    def __str__(self) -> str:
        return f"{self.path}@{self.node}"


class Delivery(Protocol):
    """Delivers the messages of a `Ref`: the actor's cell, or an object that finds the path or the node."""

    def tell(self, item: object) -> None:
        """Deliver a message; never block, never raise for a stopped or full target."""
        ...

    def ask(self, item: Any, timeout_s: float | None) -> asyncio.Future[Any]:
        """Deliver an ask; the future gets its reply or an `AskError`."""
        ...

    def offer(self, item: object) -> asyncio.Future[None]:
        """Deliver a message once there is room; the future is done when it is in the mailbox."""
        ...


class Ref(Generic[M_contra]):
    """A reference to one actor, here or on another node. Compared and hashed by (node, incarnation, path, uid)."""

    __slots__ = ("__weakref__", "delivery", "incarnation", "node", "path", "uid")

    from_peer: ClassVar[bool] = False
    """Whether it arrived over a link."""

    as_client: ClassVar[bool] = False
    """Whether it acts with the rights of a client, from which it came: see `wired_refs`."""

    def __init__(self, node: str, incarnation: int, path: str, uid: int, delivery: Delivery) -> None:
        self.node = node
        self.incarnation = incarnation
        self.path = path
        self.uid = uid
        self.delivery = delivery

    def tell(self, msg: M_contra, /) -> None:
        """Send `msg`: never blocks, never raises. If the target has stopped or is full, `msg` becomes a dead letter."""
        self.delivery.tell(msg)

    def ask(self, msg: AskOf[M_contra, R], /, *, timeout_s: float | None = None) -> asyncio.Future[R]:
        """Send `msg` now and return a future of its reply.

        `timeout_s`: seconds (default: the system's, 5 s); never more than the ask that is being handled has left.

        Raises:
            AskError: through the future: `AskTimeout`, `ActorStopped`, `ActorNotFound`, `ActorFailed`,
                `MailboxFullError`, `ConnectionLost`, …; the `outcome` of each shows whether it may have been handled.
            TransportError: through the future: `NodeUnreachable`, `OutboundFull`, `FrameTooLarge`: it was not sent.
        """
        return self.delivery.ask(msg, timeout_s)

    def offer(self, msg: M_contra, /) -> asyncio.Future[None]:
        """Send `msg` once there is room for it; the future is done when it is in the mailbox (back-pressure).

        Raises:
            AskError: through the future: `ActorStopped` if the actor is gone.
        """
        return self.delivery.offer(msg)

    @property
    def address(self) -> Address:
        """The address of this actor."""
        return Address(self.node, self.path)

    def to_wire(self) -> Sequence[object]:
        """Return the row that crosses the wire; with a mark if it acts with the rights of a client."""
        return (self.node, self.incarnation, self.path, self.uid)

    @classmethod
    def from_wire(cls, row: object, resolver: Resolver) -> object:
        """Return the ref in a row. BadMessage if the row is not a ref."""
        types = list(map(type, row)) if type(row) is tuple else None
        if types == [str, int, str, int]:
            return resolver.ref(*cast("tuple[str, int, str, int]", row))
        if types == [str, int, str, int, bool]:
            node, incarnation, path, uid, as_client = cast("tuple[str, int, str, int, bool]", row)
            return resolver.ref(node, incarnation, path, uid, as_client=as_client)
        raise BadMessage(f"expected a Ref, got {short_value(row)}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and self.to_wire() == other.to_wire()

    def __hash__(self) -> int:
        return hash((self.path, self.uid))

    def __repr__(self) -> str:
        life = f"#{self.uid}" if self.uid else ""
        return f"<Ref {self.path}{life}@{self.node}>"
