"""`ReservedPort`: reserves a free loopback port for a node, also while the node that listens there is down."""

from __future__ import annotations

import socket
import sys

__all__ = ["ReservedPort"]

_CAN_SHARE = sys.platform.startswith("linux")
"""On Linux a listener can bind beside a socket that is bound but does not listen, if both set SO_REUSEADDR."""


class ReservedPort:
    """A port of 127.0.0.1 that the system gives to no other socket, from construction to `close`.

    Where sockets cannot share a port, there is no reservation: the port is only free at the time of construction.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        if not _CAN_SHARE:
            self.close()

    @property
    def address(self) -> str:
        """The address, as `host:port`."""
        return f"127.0.0.1:{self.number}"

    def close(self) -> None:
        """Release the port. May be called again."""
        self._socket.close()
