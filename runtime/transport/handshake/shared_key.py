"""`SharedKey`: holds a cluster's secret keys, and proves knowledge of a key without sending it. Does no I/O.

Each proof is an HMAC-SHA256 over a label and the exact bytes of the dialer's Hello and the acceptor's Challenge. These
contain the protocol versions, both nonces, the cluster, both names, incarnations and roles: none can be changed in
transit (a downgrade), no proof fits a later handshake (a replay), and, because the label names the side that proves,
none fits its own sender (a reflection).

A proof authenticates the two ends at the moment of the handshake. Afterwards frames are neither encrypted nor signed:
only `tls=` protects against an attacker that can modify traffic.
"""

from __future__ import annotations

import enum
import hmac
import random
from dataclasses import dataclass, field
from typing import cast

import msgpack

from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["KEY_BYTES_MIN", "NONCE_BYTES", "HandshakeSide", "SharedKey", "find_key", "prove"]

KEY_BYTES_MIN = 16
"""The shortest key: an eavesdropper on a handshake can try guesses offline."""

NONCE_BYTES = 32


class HandshakeSide(enum.Enum):
    """The side that proves; the value is the label in the HMAC."""

    DIALER = "coterie.proof.dialer"
    ACCEPTOR = "coterie.proof.acceptor"


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The keys of one system. None of them is ever shown in a repr, an error or a log.

    To change a key without a pause: give every node the new one in `also`, then make it `key` (the old one in `also`)
    node by node, then drop the old one.

    Attributes:
        key: what this end proves with, and accepts: at least 16 bytes, better 32 random ones
            (`secrets.token_bytes(32)`).
        also: further keys accepted, from nodes and clients.
        client_keys: further keys accepted from clients only: with these alone a program cannot act as a node. A client
            program has its client key as `key`.

    Raises:
        TypeError: a key is not bytes.
        ValueError: a key is too short, or is both a client key and a node key.
    """

    key: bytes = field(repr=False)
    also: tuple[bytes, ...] = field(default=(), repr=False)
    client_keys: tuple[bytes, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for key in (self.key, *self.also, *self.client_keys):
            if not isinstance(key, bytes):
                raise TypeError(f"a shared key is bytes, not {type(key).__name__}: see secrets.token_bytes(32)")
            if len(key) < KEY_BYTES_MIN:
                raise ValueError(f"a shared key of {len(key)} bytes can be guessed: at least {KEY_BYTES_MIN}")
        if set(self.client_keys) & {self.key, *self.also}:
            raise ValueError("a client key is also a node key: its clients could act as nodes")

    def accepted_from(self, role: PeerRole) -> tuple[bytes, ...]:
        """Return the keys with which a peer of that role may prove itself."""
        return (self.key, *self.also) if role is PeerRole.NODE else (self.key, *self.also, *self.client_keys)

    def nonce(self, rng: random.Random) -> bytes:
        """Return a fresh nonce. Keyed, so that known output of `rng` does not reveal the next nonce."""
        return hmac.digest(self.key, b"coterie.nonce" + rng.randbytes(NONCE_BYTES), "sha256")


def prove(key: bytes, side: HandshakeSide, hello: bytes, challenge: bytes) -> bytes:
    """Return the proof of `side` for the handshake with these two payloads."""
    transcript = cast(bytes, msgpack.packb((side.value, hello, challenge)))  # encodes lengths: unambiguous
    return hmac.digest(key, transcript, "sha256")


def find_key(
    keys: tuple[bytes, ...], side: HandshakeSide, hello: bytes, challenge: bytes, proof: bytes
) -> bytes | None:
    """Return the key of `keys` that made `proof`; None if none did. Its time does not depend on which."""
    found = None
    for key in keys:
        if hmac.compare_digest(prove(key, side, hello, challenge), proof):
            found = key
    return found
