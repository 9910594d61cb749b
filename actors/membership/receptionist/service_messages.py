"""Service messages: defines what providers, clients and subscribers of services exchange with a receptionist."""

from __future__ import annotations

from typing import Any, Final

import coterie.actors.membership.membership_records  # noqa: F401 (it registers what fields here hold)
from coterie.protocols.membership.members import MemberId
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref

__all__ = [
    "RECEPTIONIST_PATH",
    "EnterService",
    "FindService",
    "LeaveService",
    "LeaveServices",
    "ServiceInstance",
    "ServiceListing",
    "ServiceUpdate",
]

RECEPTIONIST_PATH: Final = "#receptionist"
"""The path of the `ReceptionistActor` on every node of a topology with `Members`: no part can have this name."""


@message(name="service.Instance")
class ServiceInstance:
    """One actor that provides a service: on which life of which node, and its path there."""

    member: MemberId
    path: str

    @property
    def address(self) -> Address:
        """Where messages to it are sent."""
        return Address(self.member.name, self.path)

    def __str__(self) -> str:
        """Return it as people read it: `path@node`."""
        return str(self.address)


@message(name="service.Update")
class ServiceUpdate:
    """What a subscriber of a service is told.

    Attributes:
        service: its name.
        instances: those on up members, sorted by node and path.
        added: those that the subscriber was not told of before; in its first update all.
        removed: those that are no instances any more. A node that has restarted is another member: its instances are
            removed, and added again, although their addresses may be the same.
    """

    service: str
    instances: tuple[ServiceInstance, ...]
    added: tuple[ServiceInstance, ...]
    removed: tuple[ServiceInstance, ...]


@message(name="service.Listing")
class ServiceListing:
    """The instances of a service as one node knows them. `is_current`: whether its lease was valid at that moment."""

    service: str
    instances: tuple[ServiceInstance, ...]
    is_current: bool


@message(name="service.Find", speaker=Speaker.CLIENT)
class FindService(Ask[ServiceListing]):
    """Ask a node for the instances of a service."""

    service: str


@message(name="service.Enter")
class EnterService(Ask[None]):
    """Have an actor of this node registered; answered once it is, as far as this node knows."""

    service: str
    actor: Ref[Any]
    unique: bool


@message(name="service.Leave")
class LeaveService(Ask[bool]):
    """Have the actor at a path registered no more; answered once it is not, by whether it was wanted."""

    service: str
    path: str


@message(name="service.LeaveAll")
class LeaveServices(Ask[None]):
    """Have no actor of this node registered any more; answered once none is."""
