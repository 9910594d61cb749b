"""What happens to links, told to whoever wants to know."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.runtime.transport.handshake.identity import Role

if TYPE_CHECKING:
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["LinkEvent", "wait_until_linked"]


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """What happened to the link with a node: `kind` is `up`, `down` or `lost` (final for that incarnation)."""

    kind: str
    node: str
    incarnation: int
    role: Role
    reason: str


async def wait_until_linked(remoting: Remoting, node: str, timeout_s: float) -> None:
    """Wait until there is a link with `node`. NodeUnreachable says why there was none in `timeout_s` s."""
    changed = asyncio.Event()

    def note(_: LinkEvent) -> None:
        changed.set()

    remoting.listen_to_links(note)
    try:
        async with asyncio.timeout(timeout_s):
            while all(peer.node != node for peer in remoting.linked):
                changed.clear()
                await changed.wait()
    except TimeoutError:
        remoting.reach(node)  # which says why there is none
    finally:
        remoting.ignore_links(note)
