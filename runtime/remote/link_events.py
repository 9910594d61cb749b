"""`LinkEvent`: reports that the link to a node is up or down, or that the node is lost; waits until a link is up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["LinkEvent", "wait_until_linked"]


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """Change of the link with a node: `kind` is `up`, `down` or `lost` (final for that incarnation)."""

    kind: str
    node: str
    incarnation: int
    role: PeerRole
    reason: str


async def wait_until_linked(remoting: Remoting, node: str, timeout_s: float) -> None:
    """Wait until a link with `node` is up. NodeUnreachable, with the reason, after `timeout_s`."""
    changed = asyncio.Event()

    def note(_: LinkEvent) -> None:
        changed.set()

    remoting.add_link_listener(note)
    try:
        async with asyncio.timeout(timeout_s):
            while all(peer.node != node for peer in remoting.linked):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        remoting.reach(node)  # raises NodeUnreachable with the reason
    finally:
        remoting.remove_link_listener(note)
