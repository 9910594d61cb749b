"""`DatagramAuthentication`: makes and checks the authentication codes of datagrams, with keys from the `SharedKey`.

Each code is the first half of an HMAC-SHA256 (RFC 2104 §5) over all other bytes of the datagram. Its key is derived
from the shared key with a label of its own, so that no code fits a handshake, or the reverse. The keys of clients are
not used: with them nobody can act as a node. Without a shared key the code shows damage only.
"""

from __future__ import annotations

import hmac
from typing import Final

from coterie.runtime.transport.handshake.shared_key import Auth, SharedKey, keys_of_nodes

__all__ = ["CODE_BYTES", "DatagramAuthentication"]

CODE_BYTES: Final = 16
"""Length of a code."""

_LABEL: Final = b"coterie.datagram.1"


class DatagramAuthentication:
    """The keys of one system. `auth`: the shared keys; None: codes protect against damage only."""

    __slots__ = ("_keys", "is_keyed")

    def __init__(self, auth: Auth | None) -> None:
        keys = keys_of_nodes(auth) if isinstance(auth, SharedKey) else (b"",)
        self._keys = tuple(hmac.digest(key, _LABEL, "sha256") for key in keys)  # the own key is the first
        self.is_keyed = isinstance(auth, SharedKey)
        """Whether a code proves that its sender knows a key of the nodes."""

    def code(self, data: bytes) -> bytes:
        """Return the code of `data`, by our own key."""
        return _code(self._keys[0], data)

    def accepts(self, data: bytes, code: bytes) -> bool:
        """Return whether `code` is that of `data` by one of our keys. Its time does not depend on which."""
        is_right = False
        for key in self._keys:
            is_right |= hmac.compare_digest(_code(key, data), code)
        return is_right


def _code(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:CODE_BYTES]
