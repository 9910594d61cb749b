"""Handshake messages: encodes and decodes Hello, Challenge, Proof, Welcome and Refuse. Does no I/O.

All are MessagePack arrays that begin with a name. Fields are only ever appended: a reader ignores fields that it does
not know, and the version range shows which to expect.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, cast

import msgpack

from coterie.errors import BrokenFrame
from coterie.runtime.messages.unpacking import unpack_value
from coterie.runtime.observing.printable_text import is_printable, printable
from coterie.runtime.transport.handshake.identity import NAME_CHARS_MAX, Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import NONCE_BYTES
from coterie.runtime.transport.transport_config import HELLO_CAP_BYTES

__all__ = [
    "Answer",
    "Challenge",
    "HandshakeRefusal",
    "Hello",
    "Proof",
    "RefusalReason",
    "Welcome",
    "decode_answer",
    "decode_hello",
    "decode_proof",
    "peer_of",
    "refuse",
]

_HELLO: Final = "coterie.hello"
_CHALLENGE: Final = "coterie.challenge"
_PROOF: Final = "coterie.proof"
_WELCOME: Final = "coterie.welcome"
_REFUSE: Final = "coterie.refuse"
_TEXT_CHARS_MAX: Final = 512
_PROOF_BYTES: Final = 32


class RefusalReason(enum.Enum):
    """Reason of a failed handshake. The values travel on the wire and appear in logs and errors."""

    INCOMPLETE = "incomplete"  # timed out, broke off, or was not our handshake; never sent
    UNSUPPORTED_VERSION = "unsupported_version"
    WRONG_CLUSTER = "wrong_cluster"
    WRONG_NODE = "wrong_node"  # the dialer expected another node
    WRONG_ROLE = "wrong_role"  # a client where a node is required
    KEY_REQUIRED = "key_required"  # one end has a shared key, the other has none
    WRONG_KEY = "wrong_key"  # a proof that no accepted key makes
    WRONG_CERTIFICATE = "wrong_certificate"  # issued to another name
    TLS_MISMATCH = "tls_mismatch"  # one end speaks TLS, the other does not
    OWN_NAME = "own_name"  # another process uses our name
    DIALLED_SELF = "dialled_self"  # both ends are this process
    NAME_TAKEN = "name_taken"  # a client took a node's name
    NAME_IN_USE = "name_in_use"  # another client of that name is linked, and is heard
    SUPERSEDED = "superseded"  # a newer incarnation of that node was linked
    OTHER_STORE = "other_store"  # another process runs under that name, with another store
    FORMER_STORE = "former_store"  # another process ran under that name, with another store, and is not lost yet
    COPIED_STORE = "copied_store"  # another process runs under that name, with a copy of the store
    BAD_LINK = "bad_link"  # a second connection without its first, or a first one twice
    TOO_MANY_CONNECTIONS = "too_many_connections"
    CLOSING = "closing"  # this end is shutting down
    UNKNOWN = "unknown"  # a reason from a newer release


@dataclass(frozen=True, slots=True)
class Hello:
    """First message of the dialer.

    Attributes:
        version_min, version_max: the protocol versions that it supports.
        cluster: the cluster it belongs to; "" (clients only) for any.
        peer: name, incarnation, role and store of the dialer.
        lane_class: 0 for the connection of control and consensus, 1 for bulk.
        link_id: a random number (64 bit) that the two connections of one link share.
        expected_node: the node it means to reach; "" for any.
        nonce: random bytes of this handshake if the dialer has a shared key, else empty.
    """

    version_min: int
    version_max: int
    cluster: str
    peer: Peer
    lane_class: int
    link_id: int
    expected_node: str
    nonce: bytes = b""

    def encode(self) -> bytes:
        """Return the payload."""
        fields = (_HELLO, self.version_min, self.version_max, self.cluster, *_peer_fields(self.peer))
        return _pack((*fields, self.lane_class, self.link_id, self.expected_node, self.nonce, self.peer.store))


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answer of an acceptor with a shared key: requests a proof. `version`: the chosen one."""

    version: int
    cluster: str
    peer: Peer
    nonce: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return _pack((_CHALLENGE, self.version, self.cluster, *_peer_fields(self.peer), self.nonce, self.peer.store))


@dataclass(frozen=True, slots=True)
class Proof:
    """The dialer's answer to a challenge."""

    proof: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return _pack((_PROOF, self.proof))


@dataclass(frozen=True, slots=True)
class Welcome:
    """Last message of an acceptor: its identity, and its own proof if there was a challenge."""

    version: int
    cluster: str
    peer: Peer
    proof: bytes = b""

    def encode(self) -> bytes:
        """Return the payload."""
        return _pack((_WELCOME, self.version, self.cluster, *_peer_fields(self.peer), self.proof, self.peer.store))


@dataclass(frozen=True, slots=True)
class HandshakeRefusal:
    """Step: the handshake failed. Send `reply` if there is one, and close."""

    reason: RefusalReason
    text: str
    reply: bytes | None = None


Answer = Challenge | Welcome | HandshakeRefusal


def refuse(reason: RefusalReason, text: str) -> HandshakeRefusal:
    """Return a refusal with a reply that gives the other end the reason."""
    return HandshakeRefusal(reason, text, _pack((_REFUSE, reason.value, text[:_TEXT_CHARS_MAX])))


def decode_hello(payload: bytes) -> Hello:
    """Decode a Hello. BrokenFrame if it is none."""
    fields = _fields(payload)
    if fields[0] != _HELLO or len(fields) < 10:
        raise BrokenFrame("the first payload is not a hello")
    lane_class = _integer(fields[7], 8)
    if lane_class > 1:
        raise BrokenFrame(f"a hello for lane class {lane_class}; there are 0 and 1")
    return Hello(
        version_min=_integer(fields[1], 32),
        version_max=_integer(fields[2], 32),
        cluster=_name(fields[3], allow_empty=True),
        peer=_peer(fields[4:7], fields[11:]),
        lane_class=lane_class,
        link_id=_integer(fields[8], 64),
        expected_node=_name(fields[9], allow_empty=True),
        nonce=_bytes(fields[10], (0, NONCE_BYTES)) if len(fields) > 10 else b"",
    )


def decode_answer(payload: bytes) -> Answer:
    """Decode an answer of an acceptor. BrokenFrame if it is none."""
    fields = _fields(payload)
    if fields[0] == _REFUSE:
        return _decode_refusal(fields)
    if fields[0] not in (_CHALLENGE, _WELCOME) or len(fields) < 6:
        raise BrokenFrame("the answer to a hello is neither a challenge nor a welcome nor a refusal")
    version, cluster = _integer(fields[1], 32), _name(fields[2], allow_empty=False)
    peer = _peer(fields[3:6], fields[7:])
    if fields[0] == _WELCOME:
        return Welcome(version, cluster, peer, _bytes(fields[6], (0, _PROOF_BYTES)) if len(fields) > 6 else b"")
    return Challenge(version, cluster, peer, _bytes(fields[6] if len(fields) > 6 else None, (NONCE_BYTES,)))


def decode_proof(payload: bytes) -> Proof | HandshakeRefusal:
    """Decode the answer to a challenge. BrokenFrame if it is none."""
    fields = _fields(payload)
    if fields[0] == _REFUSE:
        return _decode_refusal(fields)
    if fields[0] != _PROOF or len(fields) < 2:
        raise BrokenFrame("the answer to a challenge is neither a proof nor a refusal")
    return Proof(_bytes(fields[1], (_PROOF_BYTES,)))


def peer_of(identity: SystemIdentity) -> Peer:
    """Return an identity as its peers see it."""
    return Peer(identity.node, identity.incarnation, identity.role, identity.store)


def _decode_refusal(fields: tuple[object, ...]) -> HandshakeRefusal:
    if len(fields) < 3 or not isinstance(fields[1], str) or not isinstance(fields[2], str):
        raise BrokenFrame("a refusal without its reason")
    known = {reason.value: reason for reason in RefusalReason}
    return HandshakeRefusal(known.get(fields[1], RefusalReason.UNKNOWN), fields[2][:_TEXT_CHARS_MAX])


def _fields(payload: bytes) -> tuple[object, ...]:
    if len(payload) > HELLO_CAP_BYTES:
        raise BrokenFrame(f"a handshake payload of {len(payload)} bytes; the cap is {HELLO_CAP_BYTES}")
    try:
        fields = unpack_value(payload)
    except Exception as error:  # what a hostile payload makes msgpack raise is not a closed list
        raise BrokenFrame(f"a handshake payload does not decode: {type(error).__name__}") from error
    if type(fields) is not tuple or not fields:
        raise BrokenFrame("a handshake payload is not an array of fields")
    return fields


def _peer_fields(peer: Peer) -> tuple[str, int, str]:
    return peer.node, peer.incarnation, peer.role.value


def _peer(fields: tuple[object, ...], later_fields: tuple[object, ...]) -> Peer:
    """Decode a peer: its first fields stand together, the store was appended later."""
    node, incarnation, role = fields
    store = _name(later_fields[0], allow_empty=True) if later_fields else ""
    for known in PeerRole:
        if role == known.value:
            return Peer(_name(node, allow_empty=False), _integer(incarnation, 64), known, store)
    raise BrokenFrame("a handshake names an unknown role")


def _name(field: object, *, allow_empty: bool) -> str:
    if not isinstance(field, str) or len(field) > NAME_CHARS_MAX or not (field or allow_empty):
        raise BrokenFrame("a handshake field that should be a name is not")
    if not is_printable(field):
        raise BrokenFrame(f"a handshake names '{printable(field)}', and names must be printable")
    return field


def _integer(field: object, bits: int) -> int:
    if type(field) is not int or not 0 <= field < 2**bits:
        raise BrokenFrame(f"a handshake field that should be a {bits}-bit number is not")
    return field


def _bytes(field: object, sizes: tuple[int, ...]) -> bytes:
    if type(field) is not bytes or len(field) not in sizes:
        raise BrokenFrame(f"a handshake field that should be {sizes[-1]} bytes is not")
    return field


def _pack(fields: tuple[object, ...]) -> bytes:
    return cast(bytes, msgpack.packb(fields))
