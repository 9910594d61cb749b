"""`Speaker`: says from whom outside its node a message is heard; see `coterie.runtime.remote.heard_peers`.

    NOBODY     only this node itself: timers, notices of the runtime, and every record that is no message of its own
    MEMBER     a node, in its own name: the field `sender` is the authenticated name of the link's other end. The actor
               that receives it hears the members of its group only
    NODE       a node of the cluster
    OPERATOR   a node; or a client that operates the cluster, see `heard_peers`: it reaches exported actors only
    CLIENT     a node; or any client, which reaches exported actors only

A class of coterie itself is heard from nobody unless it says more (default deny). A user's class is heard from clients:
what they reach is decided by which actors are exported.
"""

from __future__ import annotations

import enum
from typing import Final

from coterie.errors import MessageTypeError

__all__ = ["Speaker", "speaker_of"]

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
