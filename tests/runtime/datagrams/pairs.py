"""Helpers for the tests of datagrams: two linked systems with a shared key, each with an actor that keeps numbers."""

from __future__ import annotations

from coterie.runtime.actor import Actor
from coterie.runtime.hosts.host import Host
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.testing import Systems
from coterie.testing.virtual_time import advance

__all__ = ["KEY", "Keeper", "Number", "Pair", "keyed"]

KEY = SharedKey(b"the key of the datagrams' tests.")


@message(name="datagrams.Number")
class Number:
    value: int
    padding: bytes = b""


class Keeper(Actor[Number]):
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.received: list[Number] = []

    def receive(self, msg: Number) -> None:
        self.received.append(msg)


def keyed(node: str, host: Host) -> System:
    return System(node, cluster="test", host=host, auth=KEY)


class Pair:
    """Systems `a` and `b`, each with an actor `keeper`."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems
        self.a, self.b = systems["a"], systems["b"]

    def tell(self, value: int, padding: bytes = b"") -> None:
        """Tell b's keeper a number from a."""
        self.a.datagrams.tell(Address("b", "keeper"), Number(value, padding))

    def packet(self, value: int = 0) -> bytes:
        """Return a datagram for b's keeper from a that has not been sent."""
        packet = self.a.datagrams._packet(Address("b", "keeper"), Number(value))
        assert packet is not None
        return packet

    def inject(self, data: bytes) -> None:
        """Let a datagram arrive at b, from an unknown source."""
        self.b.datagrams._incoming.take(data, ("10.6.6.6", 666))

    async def received(self, node: str = "b") -> list[int]:
        """Return what the keeper of a node has received, after some time."""
        await advance(0.1)
        cell = self.systems[node].registry.cell_at("keeper")
        assert cell is not None
        assert isinstance(cell.actor, Keeper)
        return [msg.value for msg in cell.actor.received]

    @property
    def dropped(self) -> dict[str, int]:
        """What b has dropped, by reason."""
        stats = self.b.stats().datagrams
        return {
            name.removeprefix("dropped_"): count
            for name, count in stats.items()
            if name.startswith("dropped_") and count
        }
