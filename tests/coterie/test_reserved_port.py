from __future__ import annotations

import socket

import pytest

from coterie import reserved_port
from coterie.reserved_port import ReservedPort


def listen(number: int) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", number))
    server.listen()
    return server


def test_node_can_listen_on_its_reserved_port_again_and_again() -> None:
    port = ReservedPort()
    for _ in range(3):
        listen(port.number).close()
    port.close()


@pytest.mark.skipif(not reserved_port._CAN_SHARE, reason="sockets cannot share a port here")
def test_stranger_is_not_given_a_reserved_port() -> None:
    port = ReservedPort()
    stranger = socket.socket()

    with pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port.number))

    stranger.close()
    port.close()
