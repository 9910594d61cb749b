"""`MemberHealth`: lets `node.health` follow the membership, on nodes of a topology without a failure detector.

A member that this node observes and does not hear is suspected; one that the view has down has failed. So pools and
groups prefer other nodes, and watches on actors of a node that is down end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coterie.actors.detection.node_health import NodeHealth
from coterie.protocols.detection.failure_detector import Failed, Suspected, Trusted
from coterie.protocols.membership.members import MemberId
from coterie.protocols.membership.view import View
from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["MemberHealth"]


class MemberHealth:
    """What the membership says about the health of nodes.

    `health` takes it. `own`: this node's name. `known_peer`: returns the process that is, or was, linked under a name.
    """

    def __init__(self, health: NodeHealth, own: str, known_peer: Callable[[str], Peer | None]) -> None:
        self._known_peer = known_peer
        self._health = health
        self._own = own
        self._unheard: tuple[MemberId, ...] = ()
        self._down: dict[MemberId, None] = {}

    def learn(self, view: View) -> None:
        """Take the newest view."""
        down = {member.identity: None for member in view if member.is_down and member.name != self._own}
        for identity in down:
            if identity not in self._down and not self._has_new_life(identity):
                self._health.take(Failed(identity.name, f"it is down since view {view.number}"))
        for identity in self._down:
            found = view.member(identity.name)
            if identity not in down and found is not None and not found.is_down:
                self._health.take(Trusted(identity.name, "a new life of it is in the view"))
        self._down = {**{it: None for it in self._down if view.member(it.name) is None}, **down}

    def _has_new_life(self, identity: MemberId) -> bool:
        """Return whether another process of that name is linked, or was last: what is down is not that one."""
        peer = self._known_peer(identity.name)
        return peer is not None and peer.incarnation != identity.incarnation

    def unheard(self, members: Sequence[MemberId]) -> None:
        """Take which members this node does not hear."""
        if tuple(members) == self._unheard:
            return
        before, self._unheard = self._unheard, tuple(members)
        for member in members:
            if member not in before and member not in self._down:
                self._health.take(Suspected(member.name, "it does not reply to this member's probes"))
        for member in before:
            if member not in members and member not in self._down:
                self._health.take(Trusted(member.name, "it replies to this member's probes, or is in the view no more"))
