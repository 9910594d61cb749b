"""The transport of one system: listens, dials, sends, and tells its owner what happens.

    send ─▶ pack ─▶ queue per connection ─▶ few writes a tick ═▶ ═▶ frames ─▶ unpack ─▶ events.delivered

Between two systems there is one link of two connections: control and consensus on one, bulk on the other, so that a
heartbeat does not wait behind a megabyte. Items of one connection arrive in the order they were sent, at most once.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable

from coterie.errors import InsecureBind, NodeUnreachable, TransportError
from coterie.runtime.hosts.host import Connections, Host, Listener, SecuredNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.dialer import Dialer, Target
from coterie.runtime.transport.framing.items import PACK_ERRORS, SHORT_BYTES, ItemPacker
from coterie.runtime.transport.handshake.identity import Identity, Peer, Role
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.listener import Acceptor
from coterie.runtime.transport.peers import Roster
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Transport"]


class Transport:
    """Moves items between systems. Make it on the running loop; everything happens on that loop.

    Args:
        host: the outside world.
        identity: who we are.
        events: whom to tell; see `TransportEvents`.
        config: sizes and times.
        auth: what each end must prove to know; None: nobody proves anything.
        tls: the certificates for mutual TLS on every connection; None: connections are plain.

    Raises:
        OSError: a certificate cannot be read.
    """

    def __init__(
        self,
        host: Host,
        identity: Identity,
        events: TransportEvents,
        config: TransportConfig | None = None,
        *,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        self._host = host
        self._events = events
        self._is_open_to_strangers = auth is None and tls is None
        loop, settings = asyncio.get_running_loop(), config or TransportConfig()
        self._hub = Hub(loop, host.clock.monotonic, identity, settings, host.random, auth)
        self.cork = self._hub.cork  # the hub's own: they frame every turn of a system
        """Queue what is sent from now on until `uncork`, in the same call of the loop."""
        self.uncork = self._hub.uncork
        """Write what is queued since `cork`."""
        self._secured: SecuredNetwork | None = None
        if tls is not None:
            patience_s = self._hub.config.handshake_timeout_s
            self._secured = host.network.secured(tls, self._stranger, handshake_timeout_s=patience_s)
        self._roster = Roster(self._hub, events)
        self._acceptor = Acceptor(self._hub, self._roster, events)
        self._packer = ItemPacker()
        self._links = self._roster.links
        self._soft_bytes = self._hub.config.frame_soft_bytes
        self._short_bytes = min(SHORT_BYTES, self._soft_bytes)
        self._listeners: list[Listener] = []
        self._dialers: dict[str, tuple[Target, asyncio.Task[None]]] = {}
        self._is_closed = False
        self._swept_s = host.clock.monotonic()
        self._sweep_timer = self._hub.loop.call_later(self._hub.config.keepalive_interval_s, self._sweep)

    @property
    def identity(self) -> Identity:
        """Who we are; a client that came without a cluster knows it after its first welcome."""
        return self._hub.identity

    async def listen(self, host: str, port: int, *, insecure: bool = False) -> tuple[str, int]:
        """Accept links at (host, port) and return the address really bound (port 0 asks for any free one).

        Raises:
            InsecureBind: `host` is not loopback, there is neither auth nor TLS, and `insecure` is False; nothing was
                bound.
            OSError: it cannot be bound.
            TransportError: we are a client, or closed.
        """
        self._check_open()
        if self.identity.role is Role.CLIENT:
            raise TransportError(f"client {self.identity.node!r} cannot listen: only nodes are dialled")
        if self._is_open_to_strangers and not insecure and not _is_loopback(host):
            raise InsecureBind(host)
        listener = await self._network().listen(self._acceptor.accept, host, port)
        if self._is_closed:
            listener.close()
            self._check_open()
        self._listeners.append(listener)
        return listener.address

    def add_peer(self, node: str, host: str, port: int) -> None:
        """Keep a link to `node`, a node of our cluster: we dial it if our name is the smaller one, else it dials us.

        Called again with another address, it is dialled there once the present link is gone.

        Raises:
            ValueError: `node` is ourselves.
            TransportError: closed.
        """
        self._check_open()
        if node == self.identity.node:
            raise ValueError(f"node {node!r} cannot be its own peer")
        self._roster.add_member(node)
        if self.identity.node < node:
            self._keep_dialling(f"node {node}", Target(host, port, node))

    def dial(self, host: str, port: int) -> None:
        """Keep a link to whoever is at (host, port). This is how clients connect. TransportError if closed."""
        self._check_open()
        self._keep_dialling(f"address {host}:{port}", Target(host, port))

    def send(self, node: str, lane: Lane, item: object) -> None:
        """Queue `item` for the end of this tick, at the latest. It is packed now: later changes to it do not matter.

        Raises:
            NodeUnreachable: no link to `node` is up.
            OutboundFull: too much waits for it already.
            FrameTooLarge: the item alone exceeds what the node takes (`message_cap_bytes`).
            TypeError: MessagePack has no form for some part of it, which the message names.
            In each case the item was not queued and everything else is as it was.
        """
        self.sender(node, lane)(item)

    def sender(self, node: str, lane: Lane) -> Callable[[object], None]:
        """Return what does as `send` does for items of that node and lane: for whoever sends it many."""
        find, pack, short_bytes = self._links.get, self._packer.pack_short, self._short_bytes

        def send(item: object) -> None:
            link = find(node)
            if link is None:
                raise NodeUnreachable(node, self.absence(node))
            try:
                packed = pack(item)
            except PACK_ERRORS:
                packed = self._packer.pack(item)  # which says what is wrong
            if len(packed) < short_bytes:
                link.by_lane[lane].queue(packed, node)
            else:
                self._send_long(link, lane, item, packed)

        return send

    def absence(self, node: str) -> str:
        """Say why nothing can be sent to `node`."""
        return "this transport is closed" if self._is_closed else self._roster.absence(node)

    def flush(self) -> None:
        """Write what is queued now instead of at the end of the tick. For owners that know their turn is over."""
        self._hub.flush()

    def reload_certificates(self) -> None:
        """Read the certificates again, for connections made from now on; links that are up stay.

        Raises:
            TransportError: there are none: this transport has no TLS.
            OSError: a file cannot be read, or does not hold what it should. Nothing has changed.
        """
        if self._secured is None:
            raise TransportError(f"{self.identity.node!r} has no certificates to reload: it was made without tls=")
        self._secured.reload()

    def peers(self) -> list[Peer]:
        """Return who is linked now, oldest link first."""
        return [link.peer for link in self._links.values()]

    def stats(self) -> dict[str, int]:
        """Return counters since the start (see `hub.Counters`) and what there is now.

        Now: `links`, `connections`, and `queued_bytes`, which wait for a tick's end or for a socket to drain.
        """
        counters = self._hub.counters
        stats = {name: int(getattr(counters, name)) for name in counters.__slots__}
        stats["links"] = len(self._links)
        stats["connections"] = len(self._hub.live)
        stats["queued_bytes"] = sum(connection.queued_bytes for connection in self._hub.live)
        return stats

    async def close(self) -> None:
        """Stop listening and dialling, let what is queued leave (for `close_timeout_s`), close every connection.

        Each link that is up is reported down at once. No task, timer or socket is left. Twice is harmless.
        """
        self._is_closed = True
        self._sweep_timer.cancel()
        for listener in self._listeners:
            listener.close()
        self._acceptor.close()
        dialling = [task for _, task in self._dialers.values()]
        for task in dialling:
            task.cancel()
        busy = self._roster.finish("this end was closed")
        for connection in list(self._hub.live):
            if connection not in busy:
                connection.abort()
        try:
            await asyncio.gather(*dialling, return_exceptions=True)
            await self._hub.wait_until_gone(self._hub.config.close_timeout_s)
        finally:
            for connection in list(self._hub.live):
                connection.abort()
        await self._hub.wait_until_gone(self._hub.config.close_timeout_s)

    def _send_long(self, link: Link, lane: Lane, item: object, packed: bytes) -> None:
        self._packer.check(item)
        if len(packed) > self._soft_bytes:
            link.queue_large(packed, lane)
        else:
            link.by_lane[lane].queue(packed, link.peer.node)

    def _network(self) -> Connections:
        return self._secured or self._host.network

    def _stranger(self, reason: str) -> None:
        """Report somebody who connected without a good certificate: there is no name to tell."""
        self._hub.counters.refused_handshakes += 1
        self._events.refused("somebody", reason)

    def _check_open(self) -> None:
        if self._is_closed:
            raise TransportError(f"the transport of {self.identity.node!r} is closed; make a new one")

    def _keep_dialling(self, key: str, target: Target) -> None:
        if key in self._dialers:
            known, task = self._dialers[key]
            if known == target:
                return
            task.cancel()
        dialer = Dialer(target, self._host, self._network(), self._hub, self._roster, self._events.refused)
        task = self._hub.loop.create_task(dialer.run(), name=f"coterie dials {target}")
        task.add_done_callback(self._dialer_ended)
        self._dialers[key] = (target, task)

    def _dialer_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            context = {"message": f"{task.get_name()}: it failed and will not dial again", "exception": error}
            self._hub.loop.call_exception_handler(context)

    def _sweep(self) -> None:
        """Let watched time pass.

        A step counts as two intervals at most: after a stall of our own loop, what the others sent meanwhile is still
        unread, and they must be heard before anybody is accused of silence.
        """
        interval_s = self._hub.config.keepalive_interval_s
        self._sweep_timer = self._hub.loop.call_later(interval_s, self._sweep)
        now_s = self._host.clock.monotonic()
        step_s = min(now_s - self._swept_s, 2 * interval_s)
        self._swept_s = now_s
        self._roster.sweep(step_s)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
