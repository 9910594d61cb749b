"""`SharedKey`: holds a cluster's secret keys, and proves knowledge of a key without sending it. Does no I/O.

Each proof is an HMAC-SHA256 over a label and the exact bytes of the dialer's Hello and the acceptor's Challenge. These
contain the protocol versions, both nonces, the cluster, both names, incarnations and roles: none can be changed in
transit (a downgrade), no proof fits a later handshake (a replay), and, because the label names the side that proves,
none fits its own sender (a reflection).

A proof authenticates the two ends at the moment of the handshake. Afterwards each frame has a code, by keys of this
connection and direction that both ends derive from the key and the same bytes: what an attacker changes, injects,
repeats or leaves out breaks the connection. Frames are not encrypted: only `tls=` keeps traffic secret.

With a symmetric key, what can check a proof can also make it. So each client has a key of its own (`ClientKey`): with
it a program can pose as a node to that client only, that is, to itself.
"""

from __future__ import annotations

import enum
import hmac
import random
from dataclasses import dataclass, field
from typing import cast

import msgpack

from coterie.runtime.observing.printable_text import is_printable, printable
from coterie.runtime.transport.handshake.identity import Peer, PeerRole, owner_of

__all__ = [
    "KEY_BYTES_MIN",
    "NONCE_BYTES",
    "Auth",
    "ClientKey",
    "FrameKeys",
    "HandshakeSide",
    "SharedKey",
    "accepted_keys",
    "find_key",
    "frame_keys",
    "fresh_nonce",
    "keys_of_nodes",
    "prove",
]

KEY_BYTES_MIN = 16
"""The shortest key: an eavesdropper on a handshake can try guesses offline."""

NONCE_BYTES = 32


class HandshakeSide(enum.Enum):
    """The side that proves; the value is the label in the HMAC."""

    DIALER = "coterie.proof.dialer"
    ACCEPTOR = "coterie.proof.acceptor"


@dataclass(frozen=True, slots=True)
class ClientKey:
    """The key of one client: a node lists it in `SharedKey.clients`, the client has it as its `auth`.

    Programs that share it are one client: each of them could answer another as if it were a node.

    Attributes:
        name: of the client: its programs are called `name`, or `name+` and a suffix of their own.
        key: at least 16 bytes, better 32 random ones (`secrets.token_bytes(32)`); no other client has it.

    Raises:
        TypeError: the key is not bytes.
        ValueError: the key is too short, or the name is empty or contains "+".
    """

    name: str
    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_key(self.key)
        if not self.name or owner_of(self.name) != self.name or not is_printable(self.name):
            shown = printable(self.name)
            raise ValueError(f"a client's key cannot be named {shown!r}: names are printable, not empty, without '+'")


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The keys of one node. None of them is ever shown in a repr, an error or a log.

    To change a key without a pause: give every node the new one in `also`, then make it `key` (the old one in `also`)
    node by node, then drop the old one.

    Attributes:
        key: what this end proves with, and accepts: at least 16 bytes, better 32 random ones
            (`secrets.token_bytes(32)`).
        also: further keys accepted, from nodes and clients.
        clients: the keys of clients, by name: each makes that client, and never a node. To change one, list the client
            twice for a while; to revoke one, leave it out.

    Raises:
        TypeError: a key is not bytes, or `also` or `clients` is no tuple.
        ValueError: a key is too short, or is that of two clients, or of a client and the nodes.
    """

    key: bytes = field(repr=False)
    also: tuple[bytes, ...] = field(default=(), repr=False)
    clients: tuple[ClientKey, ...] = ()

    def __post_init__(self) -> None:
        for name in ("also", "clients"):
            if not isinstance(getattr(self, name), tuple):
                raise TypeError(f"SharedKey: {name}= is a tuple, not {type(getattr(self, name)).__name__}")
        owners: dict[bytes, str] = {}
        for key in (self.key, *self.also):
            _check_key(key)
            owners[key] = ""
        for client in self.clients:
            if not isinstance(client, ClientKey):
                raise TypeError(f"clients= holds a {type(client).__name__}: give ClientKey(name, key)")
            if owners.setdefault(client.key, client.name) != client.name:
                owner = f"client {owners[client.key]!r}" if owners[client.key] else "the nodes"
                raise ValueError(f"the key of client {client.name!r} is also that of {owner}: each needs its own")


Auth = SharedKey | ClientKey
"""What a system proves itself with; a node has a `SharedKey`."""


def keys_of_nodes(auth: SharedKey) -> tuple[bytes, ...]:
    """Return the keys of nodes; the own one is the first."""
    return (auth.key, *auth.also)


def accepted_keys(auth: SharedKey, peer: Peer) -> tuple[bytes, ...]:
    """Return the keys with which that peer may prove itself."""
    if peer.role is PeerRole.NODE:
        return keys_of_nodes(auth)
    owner = owner_of(peer.node)
    return (*keys_of_nodes(auth), *(client.key for client in auth.clients if client.name == owner))


def fresh_nonce(auth: Auth, rng: random.Random) -> bytes:
    """Return a fresh nonce. Keyed, so that known output of `rng` does not reveal the next nonce."""
    return hmac.digest(auth.key, b"coterie.nonce" + rng.randbytes(NONCE_BYTES), "sha256")


@dataclass(frozen=True, slots=True)
class FrameKeys:
    """The keys of the codes of frames, for the two directions of one connection, as one end sees it."""

    sending: bytes = field(repr=False)
    receiving: bytes = field(repr=False)


def frame_keys(key: bytes, side: HandshakeSide, hello: bytes, challenge: bytes) -> FrameKeys:
    """Return the keys for the frames after the handshake with these two payloads, for the end on that side."""
    dialer, acceptor = (
        hmac.digest(key, _transcript(label, hello, challenge), "sha256")
        for label in ("coterie.frames.dialer", "coterie.frames.acceptor")
    )
    return FrameKeys(dialer, acceptor) if side is HandshakeSide.DIALER else FrameKeys(acceptor, dialer)


def prove(key: bytes, side: HandshakeSide, hello: bytes, challenge: bytes) -> bytes:
    """Return the proof of `side` for the handshake with these two payloads."""
    return hmac.digest(key, _transcript(side.value, hello, challenge), "sha256")


def find_key(
    keys: tuple[bytes, ...], side: HandshakeSide, hello: bytes, challenge: bytes, proof: bytes
) -> bytes | None:
    """Return the key of `keys` that made `proof`; None if none did. Its time does not depend on which."""
    found = None
    for key in keys:
        if hmac.compare_digest(prove(key, side, hello, challenge), proof):
            found = key
    return found


def _transcript(label: str, hello: bytes, challenge: bytes) -> bytes:
    return cast(bytes, msgpack.packb((label, hello, challenge)))  # encodes lengths: unambiguous


def _check_key(key: bytes) -> None:
    if not isinstance(key, bytes):
        raise TypeError(f"a shared key is bytes, not {type(key).__name__}: see secrets.token_bytes(32)")
    if len(key) < KEY_BYTES_MIN:
        raise ValueError(f"a shared key of {len(key)} bytes can be guessed: at least {KEY_BYTES_MIN}")
