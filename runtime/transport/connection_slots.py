"""`ConnectionSlots`: bounds the accepted connections by what is known of their other end; nodes never wait for clients.

    accepted ─▶ stranger ─ Hello of a member ─▶ claimant ─ admitted, both connections ─▶ linked (not counted: one link
                   │                                                                     for each member)
                   └────── admitted as another system ─────▶ client (its link counts as two)

* Strangers have said nothing that was understood. One too many ends the oldest of the address with most of them: one
  machine cannot take the places of others.
* Claimants say that they are a certain member, which is not proven yet. Each member has its own few places, so that a
  storm of strangers or clients does not end the handshake of a node that comes back. One too many ends the oldest of
  the address with most claimants of that name. The member's own address (where it was linked last, or was added) keeps
  two of its places, as many as a link needs, against any number of addresses.
* Clients: one too many is refused. Those at one address get three of four places, unless it is loopback: the rest is
  for clients at other addresses. Those of one owner (the name that a client's key or certificate proves) get three of
  four as well, wherever they are. A node that dialled before it was added as a member was admitted as a client: its
  link gives that place back once it is added (`release_members`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coterie.runtime.hosts.places_by_address import PlacesByAddress, is_loopback, network_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from coterie.runtime.transport.connection import Connection
    from coterie.runtime.transport.handshake.identity import Peer

__all__ = ["CLAIMANTS_MAX", "CONNECTIONS_PER_LINK", "ConnectionSlots"]

CLAIMANTS_MAX: Final = 8
"""The most unfinished handshakes in the name of one member."""

CONNECTIONS_PER_LINK: Final = 2

CLIENT_SHARE: Final = 0.75
"""The most of the places of clients that the clients at one address get, or those of one owner."""

CLIENT_MIN: Final = 8
"""So many connections of the clients at one address, or of one owner, are never too many."""


class ConnectionSlots:
    """Remembers the class of each accepted connection from its opening until it is closed, or part of a member's link.

    `strangers_max`, `clients_max`: the bounds, in connections; they may be changed at any time.
    """

    __slots__ = (
        "_claimants",
        "_client_places",
        "_clients",
        "_home_by_member",
        "_member_by_claimant",
        "_owner_places",
        "_strangers",
        "clients_max",
        "strangers_max",
    )

    def __init__(self, *, strangers_max: int, clients_max: int) -> None:
        self.strangers_max = strangers_max
        self.clients_max = clients_max
        self._strangers: PlacesByAddress[Connection] = PlacesByAddress()
        self._claimants: dict[str, PlacesByAddress[Connection]] = {}  # by member
        self._member_by_claimant: dict[Connection, str] = {}
        self._home_by_member: dict[str, str] = {}  # the network of its own address
        self._clients: dict[Connection, Peer] = {}  # the first connection of each link
        self._client_places: PlacesByAddress[Connection] = PlacesByAddress()  # the same connections
        self._owner_places: PlacesByAddress[Connection] = PlacesByAddress()  # those of proven owners, by owner

    @property
    def clients(self) -> int:
        """The number of connections that the links of clients take."""
        return CONNECTIONS_PER_LINK * len(self._clients)

    @property
    def strangers(self) -> int:
        """The number of connections of which nothing is known."""
        return len(self._strangers)

    def enter(self, connection: Connection) -> Connection | None:
        """Take a connection that was just accepted; return the stranger that must go for it, if any.

        That one has no place any more: many connections may be accepted before it is closed, and each ends another one.
        """
        self._strangers.enter(connection, _network(connection))
        if len(self._strangers) <= self.strangers_max:
            return None
        surplus = self._strangers.most_crowded()
        self._strangers.leave(surplus)
        return surplus

    def claim(self, connection: Connection, member: str) -> Connection | None:
        """Note that a connection says it is `member`; return the claimant of that name that must go for it, if any.

        That one has no place any more, as with strangers.
        """
        self._strangers.leave(connection)
        self._leave_claimants(connection)
        self._member_by_claimant[connection] = member
        claimants = self._claimants.setdefault(member, PlacesByAddress())
        claimants.enter(connection, _network(connection))
        if len(claimants) <= CLAIMANTS_MAX:
            return None
        surplus = claimants.most_crowded(self._home_by_member.get(member, ""), CONNECTIONS_PER_LINK)
        self._leave_claimants(surplus)
        return surplus

    def expect_member(self, member: str, address: str) -> None:
        """Note the IP address at which a member was added; a host's name says nothing until the member was linked."""
        self._home_by_member[member] = network_of(address)

    def expect_no_member(self, member: str) -> None:
        """Undo `expect_member`."""
        self._home_by_member.pop(member, None)

    def admit_client(self, connection: Connection, peer: Peer, owner: str = "") -> str | None:
        """Take the first connection of `peer`, a client; if there is no room, change nothing, and return why.

        `owner`: the name that it has proven, see `identity.owner_of`; "" if its name is not proven.
        """
        if self.clients + CONNECTIONS_PER_LINK > self.clients_max:
            return f"clients have {self.clients} of {self.clients_max} connections"
        network = _network(connection)
        lack = None if is_loopback(network) else self._lack(self._client_places, network, f"clients at {network}")
        if lack is None and owner:
            lack = self._lack(self._owner_places, owner, f"clients with the key or certificate of {owner!r}")
        if lack is not None:
            return lack
        self._strangers.leave(connection)
        self._clients[connection] = peer
        self._client_places.enter(connection, network)
        if owner:
            self._owner_places.enter(connection, owner)
        return None

    def admit_second(self, connection: Connection) -> None:
        """Take the second connection of a client's link: the first one took its place, too."""
        self._strangers.leave(connection)

    def release_members(self, is_member: Callable[[Peer], bool]) -> None:
        """Give back the places of clients that are members by now: nodes that dialled before they were added."""
        for connection in [connection for connection, peer in self._clients.items() if is_member(peer)]:
            self._leave_clients(connection)

    def newest_clients(self, connections: int) -> list[Connection]:
        """Return the first connections of the newest clients' links, which together have that many, or all."""
        links = -(-connections // CONNECTIONS_PER_LINK)
        return list(self._clients)[::-1][:links]

    def link_member(self, connection: Connection) -> None:
        """Note that a connection is part of a member's link: it needs no place any more."""
        member = self._leave_claimants(connection)
        if member is not None:
            self._home_by_member[member] = _network(connection)

    def leave(self, connection: Connection) -> None:
        """Free the place of a connection that is closed."""
        self._strangers.leave(connection)
        self._leave_clients(connection)
        self._leave_claimants(connection)

    def _leave_clients(self, connection: Connection) -> None:
        self._clients.pop(connection, None)
        self._client_places.leave(connection)
        self._owner_places.leave(connection)

    def _leave_claimants(self, connection: Connection) -> str | None:
        """Free the place of a claimant; return the member that it claims to be, None if it is no claimant."""
        member = self._member_by_claimant.pop(connection, None)
        if member is not None:
            self._claimants[member].leave(connection)
        return member

    def _lack(self, places: PlacesByAddress[Connection], source: str, whose: str) -> str | None:
        """Return why one more client of a source (an address, an owner) has no room; None if it has."""
        taken, most = CONNECTIONS_PER_LINK * places.count(source), max(CLIENT_MIN, int(self.clients_max * CLIENT_SHARE))
        if taken + CONNECTIONS_PER_LINK <= most:
            return None
        return f"{whose} have {taken} of {most} connections, the most of {self.clients_max} that they may have"


def _network(connection: Connection) -> str:
    return network_of(connection.address.rpartition(":")[0])
