"""`Invitations`: how a leader reaches a node that is to join its group: tries its address, links with it, invites it.

    try the address ─ the node of that name answers there ─ link ─ InviteStore ─ StoreInvited

Nothing is proposed before: an address in the log is where all members and clients look for the node.
"""

from __future__ import annotations

import asyncio
from typing import Final

from coterie.actors.groups.members.learned_addresses import LearnedAddresses
from coterie.actors.groups.members.member_messages import (
    ChangeGroupMembers,
    InvitationRefused,
    InviteStore,
    StoreInvited,
)
from coterie.actors.groups.members.peer_refs import PeerRefs
from coterie.actors.network_addresses import format_address, parse_address
from coterie.errors import ActorNotFound, CoterieError, HandshakeRefused, NodeStarting
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft import Raft
from coterie.runtime.actor import Context
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason

__all__ = ["Invitations"]

LINK_S: Final = 10.0
"""For so long a node is waited for that is to join."""

LINK_LOOK_S: Final = 0.05
TRY_AGAIN_S: Final = 0.5
ASK_S: Final = 5.0

_PASSING: Final = (RefusalReason.INCOMPLETE, RefusalReason.CLOSING, RefusalReason.TOO_MANY_CONNECTIONS)
"""The refusals that may not come again at the next try."""


class Invitations:
    """What one life of a replica does, as the leader, to reach the nodes that operators name.

    Args:
        node: its node.
        raft: its part in the protocol.
        peers: the actors of the group on other nodes.
        context: of the actor.
    """

    def __init__(self, node: str, raft: Raft, peers: PeerRefs, context: Context) -> None:
        self._node = node
        self._raft = raft
        self._peers = peers
        self._context = context
        self._addresses = context.system.extension(LearnedAddresses)
        self._holder = f"{context.self_ref.path}#change"
        self._obstacles: dict[str, str] = {}  # why a node that is waited for was not reached last

    def release(self, node: str) -> None:
        """Hold the address of `node` no more: a member's is in the log."""
        self._addresses.release(node, self._holder)
        self._obstacles.pop(node, None)

    def waiting_for(self, node: str) -> str:
        """Return in words that a node is waited for, and why it was not reached last."""
        obstacle = self._obstacles.get(node, "it must be up, and reachable")
        return f"waiting for {node}, which is to join: {obstacle}"

    async def invite(self, request: ChangeGroupMembers) -> tuple[StoreId, str | None]:
        """Return the store of the node, which is ready to join, and its address. ValueError if it is not ready."""
        node = NodeId(request.node)
        tried_store = "" if request.address is None else await self._try(node, request.address)
        if node == self._node:
            return StoreId(self._raft.node_id), request.address
        address = self._link(request)
        await self._wait_for_link(node)
        store = await self._ask(node)
        if tried_store not in ("", store):
            raise ValueError(
                f"two processes call themselves {node}: the one that is linked has the store {store}, the one at "
                f"{request.address} the store {tried_store}: stop the wrong one"
            )
        return store, address

    def _link(self, request: ChangeGroupMembers) -> str:
        """Keep a link to the node; return its address. ValueError if none is known."""
        if request.address is not None:
            self._addresses.hold(request.node, request.address, self._holder)
        known = self._context.system.remoting.network().address_of(request.node)
        if known is None:
            raise ValueError(f"no address of {request.node} is known: give it")
        return format_address(known)

    async def _try(self, node: NodeId, address: str) -> str:
        """Return the store of `node`, which answers at `address`; "" if it has none. ValueError if it does not."""
        host, port = parse_address(address)
        clock, network = self._context.clock, self._context.system.remoting.network()
        end_s = clock.monotonic() + LINK_S
        while True:
            try:
                peer = await network.try_address(host, port)
            except HandshakeRefused as error:
                if error.reason == RefusalReason.DIALLED_SELF.value:
                    self._check_name(NodeId(self._node), node, address)
                    return ""
                self._obstacles[node] = obstacle(error, address)
                if clock.monotonic() >= end_s or error.reason not in [reason.value for reason in _PASSING]:
                    raise ValueError(f"{node} cannot be linked: {self._obstacles[node]}") from error
            except (OSError, UnicodeError) as error:
                self._obstacles[node] = obstacle(error, address)
                if clock.monotonic() >= end_s:
                    raise ValueError(self._unreachable(node)) from error
            else:
                self._check_name(NodeId(peer.node), node, address)
                return peer.store
            await asyncio.sleep(TRY_AGAIN_S)

    def _check_name(self, found: NodeId, node: NodeId, address: str) -> None:
        if found != node:
            raise ValueError(f"at {address} answers {found}, not {node}: give the address of {node}")

    def _unreachable(self, node: NodeId) -> str:
        why = self._obstacles.get(node, "no link to it came up")
        return f"{node} cannot be reached ({why}): start it there, or give its address"

    async def _ask(self, node: NodeId) -> StoreId:
        facts = self._raft.facts
        founders = b"" if facts.founders is None else facts.founders.encode()
        stores = tuple(member.store_id for member in facts.known_members if member.store_id is not None)
        invitation = InviteStore(self._node, facts.incarnation, founders, stores)
        try:
            answer = await self._answer(node, invitation)
        except NodeStarting as error:
            raise ValueError(f"{node} has not started in {LINK_S:g} s: repeat the command once it has") from error
        except ActorNotFound as error:
            raise ValueError(
                f"{node} runs no replica of this group: declare the group in its topology, and start it with an empty "
                "data directory and --bootstrap join"
            ) from error
        except CoterieError as error:
            raise ValueError(f"{node} did not answer: {error}") from error
        if isinstance(answer, InvitationRefused):
            raise ValueError(f"{node} cannot join: {answer.reason}")
        return StoreId(answer.store)

    async def _answer(self, node: NodeId, invitation: InviteStore) -> StoreInvited | InvitationRefused:
        """Return the answer of the node, which is asked again while it is starting. It raises what the ask does."""
        end_s = self._context.clock.monotonic() + LINK_S
        while True:
            ask: asyncio.Future[StoreInvited | InvitationRefused] = self._peers[node].ask(invitation, timeout_s=ASK_S)
            try:
                return await ask
            except NodeStarting:
                self._obstacles[node] = "it is starting"
                if self._context.clock.monotonic() >= end_s:
                    raise
            await asyncio.sleep(TRY_AGAIN_S)

    async def _wait_for_link(self, node: NodeId) -> None:
        """Wait until the node is linked; try its address meanwhile, to say what is in the way."""
        remoting, clock = self._context.system.remoting, self._context.clock
        end_s, looking = clock.monotonic() + LINK_S, asyncio.ensure_future(self._keep_looking_at(node))
        try:
            while node not in remoting.linked_names:
                if clock.monotonic() >= end_s:
                    raise ValueError(self._unreachable(node))
                await asyncio.sleep(LINK_LOOK_S)
        finally:
            looking.cancel()

    async def _keep_looking_at(self, node: NodeId) -> None:
        """Find out, again and again, why there is no link to a node."""
        network = self._context.system.remoting.network()
        while True:
            await asyncio.sleep(TRY_AGAIN_S)
            if (place := network.address_of(node)) is None:
                continue
            address = format_address(place)
            try:
                peer = await network.try_address(*place)
            except (CoterieError, OSError, UnicodeError) as error:
                self._obstacles[node] = obstacle(error, address)
            else:
                why = ", and no link has come up yet: see its log" if peer.node == node else f", not {node}"
                self._obstacles[node] = f"{peer.node} answers at {address}{why}"


def obstacle(error: CoterieError | OSError | UnicodeError, address: str) -> str:
    """Return in words why no node was reached at an address (`host:port`)."""
    if isinstance(error, HandshakeRefused):
        if error.reason == RefusalReason.INCOMPLETE.value:
            return f"what listens at {address} does not answer as a coterie node ({error})"
        return f"refused at {address}: {error}"
    if isinstance(error, ConnectionRefusedError):
        return f"connection refused at {address}"
    if isinstance(error, TimeoutError):
        return f"no answer at {address}"
    why = error.strerror if isinstance(error, OSError) and error.strerror else error
    return f"no connection to {address} ({why})"
