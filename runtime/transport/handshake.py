"""The handshake: who is there, before anything else is decoded. Pure: payloads in, payloads and verdicts out.

      dialer                              acceptor
        │ ── Hello(versions, who, whom) ──▶ │   checks: version, cluster, name, and what only its owner knows
        │ ◀── Welcome(version, who) ─────── │   … or Refuse(reason, text), and the connection ends
        │ ── frames of items ─────────────▶ │

Each side is a small machine that is fed one payload at a time and answers with a verdict. There is exactly one
exchange now. Authentication will put a challenge between Hello and Welcome: a verdict that says "send this and feed
me the next payload"; whoever drives the machines then loops instead of feeding once.

All three messages are MessagePack arrays that begin with a word. Fields are only ever appended: a reader ignores what
it does not know, and the version range says what it may expect.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import msgpack

from coterie.errors import BrokenFrame
from coterie.runtime.transport.config import HELLO_CAP_BYTES
from coterie.runtime.transport.identity import NAME_CHARS_MAX, Identity, Peer, Role

__all__ = [
    "VERSION_MAX",
    "VERSION_MIN",
    "AcceptorHandshake",
    "DialerHandshake",
    "Hello",
    "Passed",
    "RefusalReason",
    "Refused",
]

VERSION_MIN = 1
VERSION_MAX = 1

_HELLO = "coterie.hello"
_WELCOME = "coterie.welcome"
_REFUSE = "coterie.refuse"
_TEXT_CHARS_MAX = 512


class RefusalReason(enum.Enum):
    """Why a handshake failed. The values travel on the wire and are shown to people."""

    INCOMPLETE = "incomplete"  # it did not come in time, broke off, or was not ours; never travels
    UNSUPPORTED_VERSION = "unsupported_version"
    WRONG_CLUSTER = "wrong_cluster"
    WRONG_NODE = "wrong_node"  # the dialer expected somebody else
    OWN_NAME = "own_name"  # another process has our name
    DIALLED_SELF = "dialled_self"  # both ends are this very process
    NAME_TAKEN = "name_taken"  # a client took a node's name, or a node a client's
    SUPERSEDED = "superseded"  # a newer life of that node has been here
    BAD_LINK = "bad_link"  # a second connection without its first, or a first one twice
    TOO_MANY_CONNECTIONS = "too_many_connections"
    CLOSING = "closing"  # this end is shutting down
    UNKNOWN = "unknown"  # a newer peer has a reason that we do not know


@dataclass(frozen=True, slots=True)
class Hello:
    """What the dialer says first.

    Attributes:
        version_min, version_max: the protocol versions it speaks.
        cluster: the cluster it belongs to; "" (clients only) for any.
        peer: who it is.
        lane_class: 0 for the connection of control and consensus, 1 for bulk.
        link_id: a random number (64 bit) that the two connections of one link share.
        expected_node: whom it means to reach; "" for anyone.
    """

    version_min: int
    version_max: int
    cluster: str
    peer: Peer
    lane_class: int
    link_id: int
    expected_node: str

    def encode(self) -> bytes:
        """Return the payload."""
        who = (self.peer.node, self.peer.incarnation, self.peer.role.value)
        fields = (_HELLO, self.version_min, self.version_max, self.cluster, *who)
        return _pack((*fields, self.lane_class, self.link_id, self.expected_node))


@dataclass(frozen=True, slots=True)
class Refused:
    """Verdict: it failed. Send `reply` if there is one, and close."""

    reason: RefusalReason
    text: str
    reply: bytes | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    """Verdict: it succeeded. Send `reply` if there is one; items may follow.

    `cluster` is the acceptor's cluster; `lane_class` and `link_id` are those of the Hello.
    """

    peer: Peer
    version: int
    cluster: str
    lane_class: int
    link_id: int
    reply: bytes | None = None


Verdict = Passed | Refused


def refuse(reason: RefusalReason, text: str) -> Refused:
    """Return a refusal that tells the other end why."""
    return Refused(reason, text, _pack((_REFUSE, reason.value, text[:_TEXT_CHARS_MAX])))


class AcceptorHandshake:
    """The side that was dialled: expects one Hello.

    Args:
        identity: who we are.
        admit: asked last, with a Hello that passed everything else; returns a refusal (see `refuse`) or None.
    """

    __slots__ = ("_admit", "_identity", "_is_over")

    def __init__(self, identity: Identity, admit: Callable[[Hello], Refused | None]) -> None:
        self._identity = identity
        self._admit = admit
        self._is_over = False

    def receive(self, payload: bytes) -> Verdict:
        """Take the first payload. BrokenFrame if it is no hello at all: then nobody is answered."""
        if self._is_over:
            raise BrokenFrame("a second hello")
        self._is_over = True
        hello = _decode_hello(payload)
        refusal = self._check(hello) or self._admit(hello)
        if refusal is not None:
            return refusal
        me, version = self._identity, min(VERSION_MAX, hello.version_max)
        reply = _pack((_WELCOME, version, me.cluster, me.node, me.incarnation, me.role.value))
        return Passed(hello.peer, version, me.cluster, hello.lane_class, hello.link_id, reply)

    def _check(self, hello: Hello) -> Refused | None:
        me, peer = self._identity, hello.peer
        if hello.version_max < VERSION_MIN or hello.version_min > VERSION_MAX:
            ours, theirs = f"{VERSION_MIN} … {VERSION_MAX}", f"{hello.version_min} … {hello.version_max}"
            text = f"node {me.node!r} speaks protocol versions {ours}, {peer.node!r} speaks {theirs}"
            return refuse(RefusalReason.UNSUPPORTED_VERSION, text)
        if hello.cluster != me.cluster and not (peer.role is Role.CLIENT and not hello.cluster):
            return _wrong_cluster(me, hello.cluster, peer.node)
        if peer.node == me.node:
            return _own_name(me, peer)
        if hello.expected_node not in ("", me.node):
            return refuse(
                RefusalReason.WRONG_NODE,
                f"{peer.node!r} expected node {hello.expected_node!r} here; this is {me.node!r}",
            )
        return None


class DialerHandshake:
    """The side that dials: says one Hello, expects one Welcome.

    Args:
        identity: who we are (a client's cluster may be "").
        lane_class: 0 for the connection of control and consensus, 1 for bulk.
        link_id: the number that the two connections of the link share.
        expected: whom we mean to reach: a node's name ("" for anyone), or exactly this life of this peer.
    """

    __slots__ = ("_expected", "_expected_node", "_hello", "_identity", "_is_over")

    def __init__(self, identity: Identity, *, lane_class: int, link_id: int, expected: str | Peer = "") -> None:
        me = Peer(identity.node, identity.incarnation, identity.role)
        self._identity = identity
        self._expected = expected
        self._expected_node = expected.node if isinstance(expected, Peer) else expected
        self._hello = Hello(VERSION_MIN, VERSION_MAX, identity.cluster, me, lane_class, link_id, self._expected_node)
        self._is_over = False

    @property
    def hello(self) -> bytes:
        """The payload to send first."""
        return self._hello.encode()

    def receive(self, payload: bytes) -> Verdict:
        """Take the answer. BrokenFrame if it is none."""
        if self._is_over:
            raise BrokenFrame("a second answer to one hello")
        self._is_over = True
        fields = _fields(payload)
        if fields[0] == _REFUSE:
            return _decode_refusal(fields)
        if fields[0] != _WELCOME or len(fields) < 6:
            raise BrokenFrame("the answer to a hello is neither a welcome nor a refusal")
        version, cluster = _integer(fields[1], 32), _name(fields[2], allow_empty=False)
        peer = _peer(fields[3], fields[4], fields[5])
        hello = self._hello
        passed = Passed(peer, version, cluster, hello.lane_class, hello.link_id)
        return self._check(passed) or passed

    def _check(self, welcome: Passed) -> Refused | None:
        """Check again what the acceptor has checked: two ends that disagree about who they are must not talk."""
        me, peer = self._identity, welcome.peer
        if not VERSION_MIN <= welcome.version <= VERSION_MAX:
            return Refused(
                RefusalReason.UNSUPPORTED_VERSION, f"node {peer.node!r} chose version {welcome.version}, never offered"
            )
        if me.cluster not in ("", welcome.cluster):
            return _wrong_cluster(me, welcome.cluster, peer.node)
        if peer.node == me.node:
            return _own_name(me, peer)
        if self._expected_node not in ("", peer.node) or (isinstance(self._expected, Peer) and self._expected != peer):
            return Refused(RefusalReason.WRONG_NODE, f"expected {self._expected!r}, {peer!r} answered")
        return None


def _wrong_cluster(me: Identity, theirs: str, node: str) -> Refused:
    text = f"{me.node!r} belongs to cluster {me.cluster!r}, {node!r} to {theirs!r}"
    return refuse(RefusalReason.WRONG_CLUSTER, text)


def _own_name(me: Identity, peer: Peer) -> Refused:
    if peer.incarnation == me.incarnation:
        return refuse(RefusalReason.DIALLED_SELF, f"node {me.node!r} dialled itself; leave out its own address")
    text = f"two processes call themselves {me.node!r}; each node of a cluster needs its own name"
    return refuse(RefusalReason.OWN_NAME, text)


def _decode_hello(payload: bytes) -> Hello:
    fields = _fields(payload)
    if fields[0] != _HELLO or len(fields) < 10:
        raise BrokenFrame("the first payload is no hello")
    lane_class = _integer(fields[7], 8)
    if lane_class > 1:
        raise BrokenFrame(f"a hello for lane class {lane_class}; there are 0 and 1")
    return Hello(
        version_min=_integer(fields[1], 32),
        version_max=_integer(fields[2], 32),
        cluster=_name(fields[3], allow_empty=True),
        peer=_peer(fields[4], fields[5], fields[6]),
        lane_class=lane_class,
        link_id=_integer(fields[8], 64),
        expected_node=_name(fields[9], allow_empty=True),
    )


def _decode_refusal(fields: tuple[object, ...]) -> Refused:
    if len(fields) < 3 or not isinstance(fields[1], str) or not isinstance(fields[2], str):
        raise BrokenFrame("a refusal without its reason")
    known = {reason.value: reason for reason in RefusalReason}
    return Refused(known.get(fields[1], RefusalReason.UNKNOWN), fields[2][:_TEXT_CHARS_MAX])


def _fields(payload: bytes) -> tuple[object, ...]:
    if len(payload) > HELLO_CAP_BYTES:
        raise BrokenFrame(f"a handshake payload of {len(payload)} bytes; the cap is {HELLO_CAP_BYTES}")
    try:
        fields = msgpack.unpackb(payload, raw=False, strict_map_key=False, use_list=False)
    except Exception as error:  # what a hostile payload makes msgpack raise is not a closed list
        raise BrokenFrame(f"a handshake payload does not decode: {type(error).__name__}") from error
    if type(fields) is not tuple or not fields:
        raise BrokenFrame("a handshake payload is no array of fields")
    return fields


def _peer(node: object, incarnation: object, role: object) -> Peer:
    for known in Role:
        if role == known.value:
            return Peer(_name(node, allow_empty=False), _integer(incarnation, 64), known)
    raise BrokenFrame("a handshake names a role that does not exist")


def _name(field: object, *, allow_empty: bool) -> str:
    if not isinstance(field, str) or len(field) > NAME_CHARS_MAX or not (field or allow_empty):
        raise BrokenFrame("a handshake field that should be a name is not")
    return field


def _integer(field: object, bits: int) -> int:
    if type(field) is not int or not 0 <= field < 2**bits:
        raise BrokenFrame(f"a handshake field that should be a {bits}-bit number is not")
    return field


def _pack(fields: tuple[object, ...]) -> bytes:
    return cast(bytes, msgpack.packb(fields))
