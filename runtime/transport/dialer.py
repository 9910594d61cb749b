"""`Dialer`: opens the two TCP connections of a link to a peer, and dials again whenever the link is down.

`try_target` only asks which node answers at an address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from coterie.errors import HandshakeRefused
from coterie.runtime.hosts.host import Connections, Host
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.dial_backoff import DialBackoff
from coterie.runtime.transport.handshake.certificate import certificate_refusal
from coterie.runtime.transport.handshake.handshake import Continue, DialerHandshake, Passed
from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, RefusalReason
from coterie.runtime.transport.handshake.identity import Peer
from coterie.runtime.transport.link import Link, LinkState
from coterie.runtime.transport.peers import Peers
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["DialTarget", "Dialer", "try_target"]


@dataclass(frozen=True, slots=True)
class DialTarget:
    """Address to dial, and the node expected there ("": any)."""

    host: str
    port: int
    node: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Dialer:
    """Keeps a link to one target: dials while there is none, with a growing, jittered pause after each failure.

    Args:
        target: address and expected node.
        host: the outside world.
        network: the host's network, plain or secured.
        shared, peers: of the transport.
        refused: called with the address and the reason of each failed handshake.
    """

    def __init__(
        self,
        target: DialTarget,
        host: Host,
        network: Connections,
        shared: TransportState,
        peers: Peers,
        refused: Callable[[str, str], None],
    ) -> None:
        self._target = target
        self._host = host
        self._network = network
        self._shared = shared
        self._peers = peers
        self._refused = refused
        self._backoff = DialBackoff(
            shared.config.reconnect_first_s,
            shared.config.reconnect_cap_s,
            shared.config.reconnect_full_cap_s,
            host.random,
        )
        self._is_target_full = False
        self._last_node = target.node  # the node linked there last
        self._has_dialled_self = False

    async def run(self) -> None:
        """Dial until cancelled; return only if the target turns out to be this process."""
        while not self._has_dialled_self:
            link = self._peers.link_to(self._last_node) or await self._dial()
            if link is not None:
                await self._wait_until_down(link)
            await asyncio.sleep(self._backoff.next_s(is_full=self._is_target_full))

    async def _wait_until_down(self, link: Link) -> None:
        """Wait until `link` is down; if it was up for at least `reconnect_cap_s`, reset the back-off."""
        up_since_s = self._host.clock.monotonic()
        await asyncio.wait([link.closed])  # awaiting it directly would cancel it for all, if we are cancelled
        if self._host.clock.monotonic() - up_since_s >= self._shared.config.reconnect_cap_s:
            self._backoff.reset()

    async def _dial(self) -> Link | None:
        opened: list[Connection] = []
        self._is_target_full = False
        try:
            link = await self._make_link(opened)
            return link if link is not None and link.state is LinkState.UP else None
        except HandshakeRefused as error:
            self._shared.counters.refused_handshakes += 1
            # An unauthenticated peer may send this reason too, but then our own listener has not refused our dial.
            self._has_dialled_self = (
                error.reason == RefusalReason.DIALLED_SELF.value and self._shared.has_refused_own_dial
            )
            self._is_target_full = error.reason == RefusalReason.TOO_MANY_CONNECTIONS.value
            self._refused(str(self._target), str(error))
            return None
        except (OSError, UnicodeError):  # TimeoutError is an OSError; UnicodeError: it cannot be the name of a host
            self._shared.counters.failed_dials += 1
            return None
        finally:
            for connection in opened:
                connection.abort()

    async def _make_link(self, opened: list[Connection]) -> Link | None:
        """Connect twice and make a link; on success `opened` is empty. None: there is one, by another address."""
        link_id = self._host.random.getrandbits(64)
        control, passed = await self._open(opened, 0, link_id, self._target.node)
        if not self._shared.identity.cluster:  # a client without one takes that of the first node
            self._shared.identity = replace(self._shared.identity, cluster=passed.cluster)
        refusal = self._peers.refusal(passed.peer)
        if refusal is not None:
            opened.clear()
            control.close()  # in order: its handshake has not failed at the other end
            raise HandshakeRefused(refusal.reason.value, refusal.text)
        self._last_node = passed.peer.node
        with self._peers.dialling(passed.peer) as is_the_only_one:
            if not is_the_only_one:
                return None
            bulk, _ = await self._open(opened, 1, link_id, passed.peer)
            opened.clear()
            link = Link(passed, control, bulk, self._shared, self._peers, is_dialled_by_us=True)
            link.begin()
            return link

    async def _open(
        self, opened: list[Connection], lane_class: int, link_id: int, expected: str | Peer
    ) -> tuple[Connection, Passed]:
        shared = self._shared
        handshake = _handshake(shared, lane_class=lane_class, link_id=link_id, expected=expected)
        return await _connect(self._target, self._network, shared, opened, handshake, lane_class)


async def try_target(target: DialTarget, host: Host, network: Connections, shared: TransportState) -> Peer:
    """Return which node answers at `target`, authenticated as for a link; no link is made, and none is changed.

    Raises:
        HandshakeRefused: what listens there is no node of this cluster, or takes no link from this one.
        OSError: nothing listens there.
        UnicodeError: that cannot be the name of a host.
    """
    opened: list[Connection] = []
    handshake = _handshake(shared, lane_class=0, link_id=host.random.getrandbits(64), expected=target.node)
    try:
        connection, passed = await _connect(target, network, shared, opened, handshake, 0)
        opened.clear()
        connection.close()  # in order: the other end reports no handshake that has failed
        return passed.peer
    finally:
        for connection in opened:
            connection.abort()


def _handshake(shared: TransportState, *, lane_class: int, link_id: int, expected: str | Peer) -> DialerHandshake:
    return DialerHandshake(
        shared.identity,
        lane_class=lane_class,
        link_id=link_id,
        expected=expected,
        credentials=shared.credentials(),
        versions=shared.config.versions,
    )


async def _connect(
    target: DialTarget,
    network: Connections,
    shared: TransportState,
    opened: list[Connection],
    handshake: DialerHandshake,
    lane_class: int,
) -> tuple[Connection, Passed]:
    """Open one connection, and return it once its handshake has passed. The caller aborts what is in `opened`."""
    attempt = _DialAttempt(handshake, shared)
    connection = Connection(attempt, shared)
    connection.lane_class = lane_class
    opened.append(connection)
    async with asyncio.timeout(shared.config.handshake_timeout_s):
        await network.connect(lambda: connection, target.host, target.port)
    step = await attempt.result
    if isinstance(step, HandshakeRefusal):
        raise HandshakeRefused(step.reason.value, step.text)
    return connection, step


class _DialAttempt:
    """Owns one dialled connection until a link takes it over (ConnectionOwner)."""

    def __init__(self, handshake: DialerHandshake, shared: TransportState) -> None:
        self._handshake = handshake
        self._distrust = shared.distrust
        self.result: asyncio.Future[Passed | HandshakeRefusal] = shared.loop.create_future()

    def connection_opened(self, connection: Connection) -> None:
        connection.send_payload(self._handshake.hello)

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        step = self._handshake.receive(payload)
        if isinstance(step, Passed):
            refusal = certificate_refusal(connection.certificate, step.peer, self._distrust)
            # Without a reply: the acceptor expects items, not handshake messages.
            step = step if refusal is None else HandshakeRefusal(refusal.reason, refusal.text)
        if isinstance(step, Passed):
            connection.begin_items(step.frame_keys, step.peer.role)
        if isinstance(step, HandshakeRefusal) and step.reply is not None:
            connection.send_payload(step.reply)
        if isinstance(step, Continue):
            connection.send_payload(step.reply)
        else:
            self._decide(step)

    def connection_ended(self, connection: Connection) -> None:
        connection.abort()
        self.connection_lost(connection, "the other end closed it")

    def connection_lost(self, connection: Connection, reason: str) -> None:
        # A peer that refuses our certificate ends the connection before its TLS alert reaches us.
        hint = "" if connection.certificate is None else "; it may have refused our certificate: see its log"
        self._decide(HandshakeRefusal(RefusalReason.INCOMPLETE, reason + hint))

    def _decide(self, step: Passed | HandshakeRefusal) -> None:
        if not self.result.done():
            self.result.set_result(step)
