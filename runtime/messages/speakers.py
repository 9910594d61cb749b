"""`Speaker`: says from whom outside its node a message is heard; checks that against who is at the other end of a link.

    NOBODY   only this node itself: timers, notices of the runtime, and every record that is no message of its own
    MEMBER   a node, in its own name: the field `sender` is the authenticated name of the link's other end. The actor
             that receives it hears the members of its group only
    NODE     a node of the cluster
    CLIENT   a node; or a client, which reaches exported actors only

A class of coterie itself is heard from nobody unless it says more (default deny). A user's class is heard from clients:
what they reach is decided by which actors are exported.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import MessageTypeError

if TYPE_CHECKING:
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["Speaker", "is_heard_from", "refusal_of_name", "speaker_of"]

OWN_PACKAGE: Final = "coterie."


class Speaker(enum.Enum):
    """From whom a message is heard; each one includes those above it, but for the name that MEMBER demands."""

    NOBODY = "nobody"
    MEMBER = "member"
    NODE = "node"
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


def is_heard_from(speaker: Speaker, *, is_client: bool) -> bool:
    """Return whether messages with this speaker may come from a client, or from a node."""
    return speaker is Speaker.CLIENT if is_client else speaker is not Speaker.NOBODY


def refusal_of_name(message: Any, peer: Peer) -> str | None:
    """Return why a message of a MEMBER does not count: it bears another name than that of the link; None: it counts."""
    if message.sender == peer.node:
        return None
    return f"a {type(message).__name__} of {peer.node!r} bears the name {message.sender!r:.100}"
