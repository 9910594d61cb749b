"""Lookup by name: answers another node that asks for a reference by path: finds the actor that has this path now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie.errors import BadMessage
from coterie.runtime.cells.actor_classes import actor_class_of
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.interned_routes import find_cell

if TYPE_CHECKING:
    from coterie.runtime.actor import Actor
    from coterie.runtime.system import System
    from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["address_of", "find", "type_names"]


def address_of(place: Address | str) -> Address:
    """Return the address of a place: an Address, or "node/path". ValueError if it is neither."""
    if isinstance(place, Address):
        return place
    node, slash, path = place.partition("/")
    if not (node and slash and path):
        raise ValueError(f'{place!r} names no actor: write "node/path", or give an Address')
    return Address(node, path)


def type_names(kind: type[Actor[Any]] | None) -> tuple[str, ...]:
    """Return the wire names of the messages that an actor class accepts."""
    return () if kind is None else tuple(described.name for described in actor_class_of(kind).messages)


def find(system: System, role: PeerRole, path: str, names: tuple[object, ...]) -> Ref[Any]:
    """Return the ref of the actor at a path, for a peer of that role.

    Raises:
        AskError: there is no reachable actor.
        BadMessage: it does not accept one of the messages called `names`.
    """
    cell = find_cell(system, role, path, 0)
    known = {described.name for described in cell.actor_class.messages}
    missing = [name for name in names if type(name) is not str or name not in known]
    if missing:
        raise BadMessage(f"actor {path!r} on node {system.node!r} does not take {short_value(missing[0])}")
    return cell.ref
