"""`VirtualDatagramSocket`: sends and receives datagrams in memory; `DatagramRoutes`: carries them from node to node.

    send ──▶ link: lost? how late? twice? ──timer──▶ socket's buffer (bounded) ──next turn──▶ received(data, source)

Unlike a stream, a datagram that meets a partition, a black hole or a frozen sender is dropped. A frozen or paused
receiver has them in its socket's buffer, as much as fits, and gets them when it runs again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from coterie.runtime.hosts.host import DatagramReceiver
from coterie.runtime.hosts.virtual.handle_owners import Owner
from coterie.runtime.hosts.virtual.port_table import PortTable
from coterie.runtime.hosts.virtual.virtual_link import VirtualLink
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["BUFFERED_MAX", "DatagramRoutes", "VirtualDatagramSocket"]

BUFFERED_MAX: Final = 256
"""Datagrams that wait in a socket's buffer; further ones are lost. Linux: about 270 small ones by default."""

SIZE_MAX: Final = 65_507
"""The longest datagram (bytes), as of UDP over IPv4."""

Address = tuple[str, int]


class VirtualDatagramSocket:
    """A datagram socket of node `node`; implements `DatagramSocket`."""

    def __init__(self, node: str, address: Address, received: DatagramReceiver, routes: DatagramRoutes) -> None:
        self.node = node
        """The node that has it."""
        self.dropped = 0
        """Number of datagrams that were not sent: never, in memory."""
        self.errors = 0
        """Number of datagrams that were too large to be sent."""
        self.overflowed = 0
        """Number of arrived datagrams for which the buffer had no room."""
        self.is_open = True
        """Whether it still sends and receives."""
        self._loop = VirtualLoop.running()
        self.owner: Owner | None = self._loop.owner
        """The process that owns it."""
        self._address = address
        self._received = received
        self._routes = routes
        self._buffer: deque[tuple[bytes, Address]] = deque()
        self._is_read_scheduled = False

    @property
    def address(self) -> Address:
        """The (host, port) bound."""
        return self._address

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram to (host, port)."""
        if len(data) > SIZE_MAX:
            self.errors += 1
        elif self.is_open:
            self._routes.carry(self, bytes(data), address)

    def close(self) -> None:
        """Send and receive nothing more. Idempotent."""
        if self.is_open:
            self.is_open = False
            self._buffer.clear()
            self._routes.closed(self)

    # --- what the routes call

    def arrive(self, data: bytes, source: Address, *, is_frozen: bool) -> None:
        """Take a datagram from the network; it is passed on in a later turn of its owner, unless the node is frozen."""
        if len(self._buffer) >= BUFFERED_MAX:
            self.overflowed += 1
            return
        self._buffer.append((data, source))
        if not is_frozen:
            self.read_later()

    def read_later(self) -> None:
        """Schedule the reading of the buffer: a paused process holds it back."""
        if self._buffer and not self._is_read_scheduled:
            self._is_read_scheduled = True
            self._loop.call_soon_for(self.owner, self._read)

    def _read(self) -> None:
        self._is_read_scheduled = False
        for _ in range(len(self._buffer)):
            if self._buffer:  # `received` may close this socket
                self._received(*self._buffer.popleft())


class DatagramRoutes:
    """The datagram sockets of a virtual network, and the datagrams between them.

    Args:
        link: returns the link from one node to another.
        is_frozen: returns whether a node is frozen.
    """

    def __init__(self, link: Callable[[str, str], VirtualLink], is_frozen: Callable[[str], bool]) -> None:
        self._link = link
        self._is_frozen = is_frozen
        self._sockets: PortTable[VirtualDatagramSocket] = PortTable()
        self._keys: dict[VirtualDatagramSocket, Address] = {}

    def open(self, node: str, received: DatagramReceiver, host: str, port: int) -> VirtualDatagramSocket:
        """Open a socket as `node`. OSError (EADDRINUSE) if the address is in use."""
        key = self._sockets.key(node, host, port)
        opened = VirtualDatagramSocket(node, (host, key[1]), received, self)
        self._sockets.bind(key, opened)
        self._keys[opened] = key
        return opened

    def closed(self, socket: VirtualDatagramSocket) -> None:
        """Free the address of a socket."""
        self._sockets.unbind(self._keys.pop(socket))

    def carry(self, sender: VirtualDatagramSocket, data: bytes, address: Address) -> None:
        """Send a datagram over the link to the node that has a socket at `address`; without one it is lost."""
        receiver = self._sockets.find(sender.node, *address)
        if receiver is None or self._is_frozen(sender.node):
            return
        link = self._link(sender.node, receiver.node)
        if not link.drops_datagrams():
            loop = VirtualLoop.running()
            for delay_s, arriving in link.deliveries(data):
                due_s = loop.clock.now_s + delay_s
                loop.call_at_for(None, due_s, self._arrive, link, sender.address, address, arriving)

    def thaw(self, node: str) -> None:
        """Let the sockets of a node that was frozen read their buffers."""
        for socket in self._sockets.all():
            if socket.node == node:
                socket.read_later()

    def crash(self, owner: Owner) -> list[object]:
        """Close the sockets of a process, and return them."""
        owned = [socket for socket in self._sockets.all() if socket.owner is owner]
        for socket in owned:
            socket.close()
        return [*owned]

    def _arrive(self, link: VirtualLink, source: Address, address: Address, data: bytes) -> None:
        receiver = self._sockets.find(link.source, *address)  # found again: a process that has restarted gets it, too
        if receiver is not None and receiver.node == link.target and not link.drops_datagrams():
            link.datagram_arrived(data)
            receiver.arrive(data, source, is_frozen=self._is_frozen(receiver.node))
