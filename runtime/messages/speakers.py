"""`Speaker`: says from whom outside its node a message is heard; checks that against who is at the other end of a link.

    NOBODY     only this node itself: timers, notices of the runtime, and every record that is no message of its own
    MEMBER     a node, in its own name: the field `sender` is the authenticated name of the link's other end. The actor
               that receives it hears the members of its group only
    NODE       a node of the cluster
    OPERATOR   a node; or a client that operates the cluster, see `may_operate`: it reaches exported actors only
    CLIENT     a node; or any client, which reaches exported actors only

A class of coterie itself is heard from nobody unless it says more (default deny). A user's class is heard from clients:
what they reach is decided by which actors are exported.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import MessageTypeError
from coterie.runtime.transport.handshake.identity import PeerRole, owner_of

if TYPE_CHECKING:
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["Speaker", "is_heard_from", "may_operate", "refusal_of_name", "speaker_of"]

OWN_PACKAGE: Final = "coterie."


class Speaker(enum.Enum):
    """From whom a message is heard; each one includes those above it, but for the name that MEMBER demands."""

    NOBODY = "nobody"
    MEMBER = "member"
    NODE = "node"
    OPERATOR = "operator"
    CLIENT = "client"


def speaker_of(cls: type, declared: Speaker | None) -> Speaker:
    """Return from whom messages of a class are heard. MessageTypeError: MEMBER, and the class has no field `sender`."""
    if declared is None:
        return Speaker.NOBODY if cls.__module__.startswith(OWN_PACKAGE) else Speaker.CLIENT
    if declared is Speaker.MEMBER and "sender" not in cls.__annotations__:
        raise MessageTypeError(
            f"{cls.__qualname__} is heard from members, each in its own name: it needs a field `sender`"
        )
    return declared


def is_heard_from(speaker: Speaker, peer: Peer, operators: tuple[str, ...]) -> bool:
    """Return whether messages with this speaker may come from `peer`, a node or a client."""
    if peer.role is PeerRole.NODE:
        return speaker is not Speaker.NOBODY
    return speaker is Speaker.CLIENT or (speaker is Speaker.OPERATOR and may_operate(peer, operators))


def may_operate(client: Peer, operators: tuple[str, ...]) -> bool:
    """Return whether a client operates the cluster: reads the reports of its nodes, and makes code active.

    It is one of `operators`, the names to which the keys or certificates of operators are issued; or what it proved
    itself with would do for a node, too, so that nothing is kept from it by refusing.
    """
    return client.could_be_node or owner_of(client.node) in operators


def refusal_of_name(message: Any, peer: Peer) -> str | None:
    """Return why a message of a MEMBER does not count: it bears another name than that of the link; None: it counts."""
    if message.sender == peer.node:
        return None
    return f"a {type(message).__name__} of {peer.node!r} bears the name {message.sender!r:.100}"
