"""Free loopback ports that stay ours, also while the node that listens there is down."""

from __future__ import annotations

import socket
import sys

__all__ = ["ReservedPort"]

_CAN_SHARE = sys.platform.startswith("linux")
"""Linux lets a listener bind beside a socket that is bound but does not listen, if both set SO_REUSEADDR."""


class ReservedPort:
    """A port of 127.0.0.1 that nobody else is given, from construction to `close`.

    Where sockets cannot share, the reservation ends before use and the port is merely free.
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
        """`host:port`."""
        return f"127.0.0.1:{self.number}"

    def close(self) -> None:
        """Give it up. Twice is harmless."""
        self._socket.close()
