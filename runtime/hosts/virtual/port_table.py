"""`PortTable`: records which listener or socket is bound to which virtual (host, port), and assigns free ports."""

from __future__ import annotations

import errno
from typing import Final, Generic, TypeVar

__all__ = ["LOOPBACK", "PortTable"]

T = TypeVar("T")

LOOPBACK: Final = "127.0.0.1"

_FIRST_FREE_PORT: Final = 49152  # RFC 6335 §6: the first of the dynamic ports
_ANY: Final = ("", "0.0.0.0", "::")

Address = tuple[str, int]


class PortTable(Generic[T]):
    """The bound addresses of one kind of socket on a virtual network.

    A host is an address on one shared machine (`127.0.0.1`, `localhost`, or any text), except that a socket on a
    wildcard (`0.0.0.0`) is reached by its node's name and, from the same node, by `127.0.0.1`.
    """

    def __init__(self) -> None:
        self._bound: dict[Address, T] = {}
        self._next_port = _FIRST_FREE_PORT

    def key(self, node: str, host: str, port: int) -> Address:
        """Return the key under which `node` binds (host, port); port 0: a free one. OSError (EADDRINUSE) if taken."""
        name = node if host in _ANY else _canonical(host)
        key = (name, port or self.free_port(name))
        if key in self._bound:
            raise OSError(errno.EADDRINUSE, f"address already in use: {host}:{port}")
        return key

    def bind(self, key: Address, bound: T) -> None:
        """Bind `bound` to a key."""
        self._bound[key] = bound

    def unbind(self, key: Address) -> None:
        """Free a key."""
        del self._bound[key]

    def find(self, node: str, host: str, port: int) -> T | None:
        """Return what is bound to (host, port), as `node` sees it; None if nothing is."""
        name = _canonical(host)
        found = self._bound.get((name, port))
        return self._bound.get((node, port)) if found is None and name == LOOPBACK else found

    def all(self) -> list[T]:
        """Return everything that is bound, in the order of binding."""
        return list(self._bound.values())

    def free_port(self, name: str) -> int:
        """Return a port that is free on host `name`."""
        while (name, self._next_port) in self._bound:
            self._next_port += 1
        self._next_port += 1
        return self._next_port - 1


def _canonical(host: str) -> str:
    return LOOPBACK if host in {"localhost", "::1"} else host
