"""Fuzz keys: the keys of the nodes, of the honest client and of the hostile one, in one place."""

from __future__ import annotations

from typing import Final

from coterie.runtime.transport import SharedKey
from coterie.runtime.transport.handshake.shared_key import Auth, ClientKey

__all__ = ["CLUSTER", "HONEST", "HOSTILE", "STORE", "client_auth", "node_auth"]

CLUSTER: Final = "fuzz"
STORE: Final = "store"
HONEST: Final = "honest"
HOSTILE: Final = "hostile"

NODE_KEY: Final = b"the key of the nodes, 32 bytes.."
CLIENTS: Final = (ClientKey(HONEST, b"h" * 32), ClientKey(HOSTILE, b"x" * 32))


def node_auth() -> SharedKey:
    """Return the keys of a node."""
    return SharedKey(NODE_KEY, clients=CLIENTS)


def client_auth(name: str) -> Auth:
    """Return the key of a client."""
    return next(key for key in CLIENTS if key.name == name)
