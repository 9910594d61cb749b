"""The side that dials: connects twice, makes a link, and does it again whenever the link is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from coterie.errors import HandshakeRefused
from coterie.runtime.hosts.host import Connections, Host
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.dial_backoff import Backoff
from coterie.runtime.transport.handshake.certificate import foreign_to
from coterie.runtime.transport.handshake.handshake import Continue, DialerHandshake, Passed
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason, Refused
from coterie.runtime.transport.handshake.identity import Peer
from coterie.runtime.transport.link import Link, LinkState
from coterie.runtime.transport.peers import Roster
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Dialer", "Target"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to dial, and whom to expect there ("": anyone)."""

    host: str
    port: int
    node: str = ""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Dialer:
    """Keeps a link to one target: dials while none is there, with a growing, jittered pause after each failure.

    Args:
        target: where, and whom.
        host: the outside world.
        network: where it dials: the host's network, plain or secured.
        hub, roster: what the transport shares.
        refused: called with the address and the reason of each failed handshake.
    """

    def __init__(
        self,
        target: Target,
        host: Host,
        network: Connections,
        hub: Hub,
        roster: Roster,
        refused: Callable[[str, str], None],
    ) -> None:
        self._target = target
        self._host = host
        self._network = network
        self._hub = hub
        self._roster = roster
        self._refused = refused
        self._backoff = Backoff(hub.config.reconnect_first_s, hub.config.reconnect_cap_s, host.random)
        self._met = target.node  # whom we met there last
        self._is_self = False

    async def run(self) -> None:
        """Dial for ever; return only if it turns out that we dial ourselves."""
        while not self._is_self:
            link = self._roster.present(self._met) or await self._dial()
            if link is not None:
                await self._outlive(link)
            await asyncio.sleep(self._backoff.next_s())

    async def _outlive(self, link: Link) -> None:
        """Wait until `link` is gone; if it was more than a flash, the next pause is short again."""
        born_s = self._host.clock.monotonic()
        await asyncio.wait([link.closed])  # awaiting it directly would cancel it for everybody, were we cancelled
        if self._host.clock.monotonic() - born_s >= self._hub.config.reconnect_cap_s:
            self._backoff.reset()

    async def _dial(self) -> Link | None:
        opened: list[Connection] = []
        try:
            link = await self._make_link(opened)
            return link if link.state is LinkState.UP else None
        except HandshakeRefused as error:
            self._hub.counters.refused_handshakes += 1
            # A stranger may say so too, but then our own acceptor has not said it.
            self._is_self = error.reason == RefusalReason.DIALLED_SELF.value and self._hub.has_met_itself
            self._refused(str(self._target), str(error))
            return None
        except OSError:  # TimeoutError is one
            self._hub.counters.failed_dials += 1
            return None
        finally:
            for connection in opened:
                connection.abort()

    async def _make_link(self, opened: list[Connection]) -> Link:
        """Connect twice; on success nothing is left in `opened`."""
        link_id = self._host.random.getrandbits(64)
        control, passed = await self._open(opened, 0, link_id, self._target.node)
        if not self._hub.identity.cluster:  # we came without one: it is that of the first node that welcomes us
            self._hub.identity = replace(self._hub.identity, cluster=passed.cluster)
        refusal = self._roster.refusal(passed.peer)
        if refusal is not None:
            raise HandshakeRefused(refusal.reason.value, refusal.text)
        bulk, _ = await self._open(opened, 1, link_id, passed.peer)
        opened.clear()
        self._met = passed.peer.node
        link = Link(passed, control, bulk, self._hub, self._roster, is_dialled_by_us=True)
        link.begin()
        return link

    async def _open(
        self, opened: list[Connection], lane_class: int, link_id: int, expected: str | Peer
    ) -> tuple[Connection, Passed]:
        hub = self._hub
        handshake = DialerHandshake(
            hub.identity,
            lane_class=lane_class,
            link_id=link_id,
            expected=expected,
            credentials=hub.credentials(),
            versions=hub.config.versions,
        )
        attempt = _Attempt(handshake, hub.loop)
        connection = Connection(attempt, self._hub)
        connection.lane_class = lane_class
        opened.append(connection)
        async with asyncio.timeout(self._hub.config.handshake_timeout_s):
            await self._network.connect(lambda: connection, self._target.host, self._target.port)
        verdict = await attempt.verdict
        if isinstance(verdict, Refused):
            raise HandshakeRefused(verdict.reason.value, verdict.text)
        return connection, verdict


class _Attempt:
    """Owns one dialled connection until its link takes it (ConnectionOwner)."""

    def __init__(self, handshake: DialerHandshake, loop: asyncio.AbstractEventLoop) -> None:
        self._handshake = handshake
        self.verdict: asyncio.Future[Passed | Refused] = loop.create_future()

    def connection_opened(self, connection: Connection) -> None:
        connection.send_payload(self._handshake.hello)

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        verdict = self._handshake.receive(payload)
        if isinstance(verdict, Passed):
            foreign = foreign_to(connection.certificate, verdict.peer)
            # Without a reply: the acceptor is waiting for items, not for words.
            verdict = verdict if foreign is None else Refused(foreign.reason, foreign.text)
        if isinstance(verdict, Passed):
            connection.raise_cap()
        if isinstance(verdict, Refused) and verdict.reply is not None:
            connection.send_payload(verdict.reply)
        if isinstance(verdict, Continue):
            connection.send_payload(verdict.reply)
        else:
            self._decide(verdict)

    def connection_ended(self, connection: Connection) -> None:
        connection.abort()
        self.connection_lost(connection, "the other end closed it")

    def connection_lost(self, connection: Connection, reason: str) -> None:
        # Who refuses a certificate in TLS ends the connection without a word that would reach us.
        hint = "" if connection.certificate is None else "; perhaps it does not accept our certificate: its log tells"
        self._decide(Refused(RefusalReason.INCOMPLETE, reason + hint))

    def _decide(self, verdict: Passed | Refused) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)
