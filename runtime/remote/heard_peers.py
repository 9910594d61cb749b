"""Heard peers: check what a message class declares (`Speaker`) against the authenticated other end of a link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.transport.handshake.identity import PeerRole, owner_of

if TYPE_CHECKING:
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["is_heard_from", "may_operate", "refusal_of_name"]


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
