"""Handshake state machines: authenticate both ends of a connection before any other data is decoded. Do no I/O.

      dialer                                          acceptor
        │ ── Hello(versions, self, expected, nonce) ──▶ │   checks version, cluster, names
        │ ◀── Challenge(version, self, nonce) ───────── │   only with a shared key
        │ ── Proof ───────────────────────────────────▶ │   checks the key, then calls `admit`
        │ ◀── Welcome(version, self, proof) ─────────── │   … or, at either step, Refuse(reason, text), and close
        │ ── frames of items ─────────────────────────▶ │

Each side is a state machine. It takes one payload at a time and returns a `HandshakeStep`: `Passed`,
`HandshakeRefusal`, or `Continue` (send this, and pass in the next payload). The dialer proves itself first: an
unauthenticated dialer gets no proof to guess keys from.

Decided here, except for the checks of `admit` (`listener.py`: certificate, links, `Peers.refusal`). Carried out by
`dialer.py` and `listener.py`, which send the payloads, close refused connections and report to
`TransportEvents.refused`. Timeout: `Connection`, after `handshake_timeout_s`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from coterie.errors import BrokenFrame
from coterie.runtime.transport.handshake.handshake_messages import (
    Challenge,
    HandshakeRefusal,
    Hello,
    Proof,
    RefusalReason,
    Welcome,
    decode_answer,
    decode_hello,
    decode_proof,
    peer_of,
    refuse,
)
from coterie.runtime.transport.handshake.identity import Peer, PeerRole, SystemIdentity, owner_of
from coterie.runtime.transport.handshake.protocol_versions import (
    CODES_SINCE,
    VERSION_MAX,
    VERSION_MIN,
    Versions,
    highest_common,
)
from coterie.runtime.transport.handshake.shared_key import (
    Auth,
    FrameKeys,
    HandshakeSide,
    SharedKey,
    accepted_keys,
    find_key,
    frame_keys,
    keys_of_nodes,
    prove,
)

__all__ = ["AcceptorHandshake", "Continue", "Credentials", "DialerHandshake", "HandshakeStep", "Passed"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys of one end, and its nonce for one handshake."""

    auth: Auth
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Continue:
    """Step: the handshake continues. Send `reply`, and pass in the next payload."""

    reply: bytes


@dataclass(frozen=True, slots=True)
class Passed:
    """Step: the handshake succeeded. Send `reply` if there is one; items may follow.

    `cluster` is the acceptor's cluster; `lane_class` and `link_id` are those of the Hello. `frame_keys`: for the codes
    of the frames that follow `reply`; None: they have none.
    """

    peer: Peer
    version: int
    cluster: str
    lane_class: int
    link_id: int
    reply: bytes | None = None
    frame_keys: FrameKeys | None = None


HandshakeStep = Continue | Passed | HandshakeRefusal
"""Result of one payload."""


class AcceptorHandshake:
    """The accepting side: expects a Hello, and a Proof if it has credentials.

    Args:
        identity: of this system.
        admit: called last, with a Hello that passed all other checks, and says whether its peer could be a node
            (`Peer.could_be_node`); returns a refusal (see `refuse`) or None.
        credentials: our keys; None if we have none.
        versions: that we support.
    """

    __slots__ = ("_admit", "_challenge", "_credentials", "_hello", "_hello_bytes", "_identity", "_is_over", "_versions")

    def __init__(
        self,
        identity: SystemIdentity,
        admit: Callable[[Hello], HandshakeRefusal | None],
        *,
        credentials: Credentials | None = None,
        versions: Versions = (VERSION_MIN, VERSION_MAX),
    ) -> None:
        self._identity = identity
        self._admit = admit
        self._credentials = credentials
        self._versions = _offered(versions, credentials)
        self._hello: Hello | None = None
        self._hello_bytes = b""  # the Hello as received
        self._challenge: Challenge | None = None
        self._is_over = False

    @property
    def claimed(self) -> Peer | None:
        """Who the dialer says it is, proven or not; None before its Hello."""
        return None if self._hello is None else self._hello.peer

    def receive(self, payload: bytes) -> HandshakeStep:
        """Take the next payload. BrokenFrame if it is not a handshake message: then no answer is sent."""
        if self._is_over:
            raise BrokenFrame("a payload between the handshake and the link")
        auth = self._credentials.auth if self._credentials is not None else None
        if self._hello is not None and self._challenge is not None and isinstance(auth, SharedKey):
            step = self._receive_proof(self._hello, self._challenge, auth, payload)
        else:
            step = self._receive_hello(payload)
        self._is_over = not isinstance(step, Continue)
        return step

    def _receive_hello(self, payload: bytes) -> HandshakeStep:
        hello = self._hello = decode_hello(payload)
        version = highest_common(self._versions, (hello.version_min, hello.version_max))
        if version is None:
            return self._wrong_version(hello)
        refusal = self._check(hello)
        if refusal is not None:
            return refusal
        if self._credentials is None:
            return self._welcome(replace(hello, peer=replace(hello.peer, could_be_node=True)), version)
        self._hello_bytes = payload
        self._challenge = Challenge(version, self._identity.cluster, peer_of(self._identity), self._credentials.nonce)
        return Continue(self._challenge.encode())

    def _receive_proof(self, hello: Hello, challenge: Challenge, auth: SharedKey, payload: bytes) -> HandshakeStep:
        answer = decode_proof(payload)
        if isinstance(answer, HandshakeRefusal):
            return answer
        said, encoded = self._hello_bytes, challenge.encode()
        key = find_key(accepted_keys(auth, hello.peer), HandshakeSide.DIALER, said, encoded, answer.proof)
        if key is None:
            return _unknown_key(self._identity.node, hello.peer)
        hello = replace(hello, peer=replace(hello.peer, could_be_node=key in keys_of_nodes(auth)))
        step = self._welcome(hello, challenge.version, prove(key, HandshakeSide.ACCEPTOR, said, encoded))
        if not isinstance(step, Passed):
            return step
        return replace(step, frame_keys=frame_keys(key, HandshakeSide.ACCEPTOR, said, encoded))

    def _welcome(self, hello: Hello, version: int, proof: bytes = b"") -> HandshakeStep:
        refusal = self._admit(hello)
        if refusal is not None:
            return refusal
        cluster = self._identity.cluster
        reply = Welcome(version, cluster, peer_of(self._identity), proof).encode()
        return Passed(hello.peer, version, cluster, hello.lane_class, hello.link_id, reply)

    def _wrong_version(self, hello: Hello) -> HandshakeRefusal:
        (low, high), me, peer = self._versions, self._identity.node, hello.peer.node
        theirs = f"{hello.version_min} … {hello.version_max}"
        text = f"node {me!r} speaks protocol versions {low} … {high}, {peer!r} speaks {theirs}; upgrade the older one"
        return refuse(RefusalReason.UNSUPPORTED_VERSION, text)

    def _check(self, hello: Hello) -> HandshakeRefusal | None:
        me, peer = self._identity, hello.peer
        if hello.cluster != me.cluster and not (peer.role is PeerRole.CLIENT and not hello.cluster):
            return _wrong_cluster(me, hello.cluster, peer.node)
        if peer.node == me.node:
            return _own_name(me, peer)
        if hello.expected_node not in ("", me.node):
            return refuse(
                RefusalReason.WRONG_NODE,
                f"{peer.node!r} expected node {hello.expected_node!r} here; this is {me.node!r}",
            )
        if bool(hello.nonce) != (self._credentials is not None):
            return _key_required(me.node, peer.node) if self._credentials else _key_required(peer.node, me.node)
        return None


class DialerHandshake:
    """The dialling side: sends a Hello, answers a Challenge, expects a Welcome.

    Args:
        identity: of this system (a client's cluster may be "").
        lane_class: 0 for the connection of control and consensus, 1 for bulk.
        link_id: the number that the two connections of the link share.
        expected: a node's name ("" for any), or exactly this incarnation of this peer.
        credentials: our keys; with them, the acceptor must prove that it knows the key.
        versions: that we support.
    """

    __slots__ = (
        "_challenge",
        "_challenge_bytes",
        "_credentials",
        "_expected",
        "_expected_node",
        "_hello",
        "_identity",
        "_is_over",
    )

    def __init__(
        self,
        identity: SystemIdentity,
        *,
        lane_class: int,
        link_id: int,
        expected: str | Peer = "",
        credentials: Credentials | None = None,
        versions: Versions = (VERSION_MIN, VERSION_MAX),
    ) -> None:
        self._identity = identity
        self._expected = expected
        self._expected_node = expected.node if isinstance(expected, Peer) else expected
        self._credentials = credentials
        nonce = credentials.nonce if credentials is not None else b""
        me, low, high = peer_of(identity), *_offered(versions, credentials)
        self._hello = Hello(low, high, identity.cluster, me, lane_class, link_id, self._expected_node, nonce)
        self._challenge: Challenge | None = None
        self._challenge_bytes = b""  # the Challenge as received
        self._is_over = False

    @property
    def hello(self) -> bytes:
        """The payload to send first."""
        return self._hello.encode()

    def receive(self, payload: bytes) -> HandshakeStep:
        """Take the next answer. BrokenFrame if it is not an acceptor's answer."""
        if self._is_over:
            raise BrokenFrame("an answer after the last one of a handshake")
        answer = decode_answer(payload)
        if isinstance(answer, HandshakeRefusal):
            step: HandshakeStep = answer
        elif isinstance(answer, Challenge):
            step = self._receive_challenge(answer, payload)
        else:
            step = self._receive_welcome(answer)
        self._is_over = not isinstance(step, Continue)
        return step

    def _receive_challenge(self, challenge: Challenge, payload: bytes) -> HandshakeStep:
        if self._challenge is not None:
            raise BrokenFrame("a second challenge")
        refusal = self._check(challenge)
        if refusal is not None:
            return refusal
        if self._credentials is None:
            return _key_required(challenge.peer.node, self._identity.node)
        self._challenge, self._challenge_bytes = challenge, payload
        return Continue(Proof(prove(self._credentials.auth.key, HandshakeSide.DIALER, self.hello, payload)).encode())

    def _receive_welcome(self, welcome: Welcome) -> HandshakeStep:
        refusal = self._check(welcome) or self._check_proof(welcome)
        if refusal is not None:
            return HandshakeRefusal(refusal.reason, refusal.text)  # without a reply: the acceptor expects items
        hello, keys = self._hello, None
        if self._credentials is not None:
            key, said = self._credentials.auth.key, self.hello
            keys = frame_keys(key, HandshakeSide.DIALER, said, self._challenge_bytes)
        return Passed(welcome.peer, welcome.version, welcome.cluster, hello.lane_class, hello.link_id, frame_keys=keys)

    def _check_proof(self, welcome: Welcome) -> HandshakeRefusal | None:
        if self._credentials is None:
            return None
        me, challenge = self._identity.node, self._challenge
        if challenge is None:
            return _key_required(me, welcome.peer.node)
        is_same = (welcome.version, welcome.cluster, welcome.peer) == (
            challenge.version,
            challenge.cluster,
            challenge.peer,
        )
        key = self._credentials.auth.key
        if (
            not is_same
            or find_key((key,), HandshakeSide.ACCEPTOR, self.hello, self._challenge_bytes, welcome.proof) is None
        ):
            text = f"{welcome.peer.node!r} does not prove to {me!r} that it knows the key; compare auth= (--key-file)"
            return refuse(RefusalReason.WRONG_KEY, text)
        return None

    def _check(self, answer: Challenge | Welcome) -> HandshakeRefusal | None:
        """Repeat the acceptor's checks: both ends must agree about their identities."""
        me, peer, hello = self._identity, answer.peer, self._hello
        if not hello.version_min <= answer.version <= hello.version_max:
            text = f"node {peer.node!r} chose version {answer.version}, never offered by {me.node!r}"
            return refuse(RefusalReason.UNSUPPORTED_VERSION, text)
        if me.cluster not in ("", answer.cluster):
            return _wrong_cluster(me, answer.cluster, peer.node)
        if peer.role is not PeerRole.NODE:
            return refuse(
                RefusalReason.WRONG_ROLE, f"{peer.node!r} answered as a {peer.role.value}: only nodes are dialled"
            )
        if peer.node == me.node:
            return _own_name(me, peer)
        if self._expected_node not in ("", peer.node) or (isinstance(self._expected, Peer) and self._expected != peer):
            return refuse(RefusalReason.WRONG_NODE, f"expected {self._expected!r}, {peer!r} answered")
        return None


def _wrong_cluster(me: SystemIdentity, theirs: str, node: str) -> HandshakeRefusal:
    text = f"{me.node!r} belongs to cluster {me.cluster!r}, {node!r} to {theirs!r}"
    return refuse(RefusalReason.WRONG_CLUSTER, text)


def _own_name(me: SystemIdentity, peer: Peer) -> HandshakeRefusal:
    if peer.incarnation == me.incarnation:
        return refuse(RefusalReason.DIALLED_SELF, f"node {me.node!r} dialled itself; leave out its own address")
    text = f"two processes call themselves {me.node!r}; each node of a cluster needs its own name"
    return refuse(RefusalReason.OWN_NAME, text)


def _key_required(demands: str, lacks: str) -> HandshakeRefusal:
    text = (
        f"{demands!r} asks for proof of a shared key, {lacks!r} has none; give auth= (--key-file) on both or on neither"
    )
    return refuse(RefusalReason.KEY_REQUIRED, text)


def _unknown_key(me: str, peer: Peer) -> HandshakeRefusal:
    text = f"{peer.node!r} does not know a key with which node {me!r} accepts "
    if peer.role is PeerRole.NODE:
        text += "a node; compare auth= (--key-file) on both"
    else:
        text += (
            f"client {owner_of(peer.node)!r}; a client with a key of its own needs the name of that key (--key-of, "
            "ClientKey), and each node lists it (--client-key, SharedKey(…, clients=…))"
        )
    return refuse(RefusalReason.WRONG_KEY, text)


def _offered(versions: Versions, credentials: Credentials | None) -> Versions:
    """Return the versions that this end offers: with keys only those in which the keys protect each frame."""
    low, high = versions
    return versions if credentials is None else (max(low, CODES_SINCE), max(high, CODES_SINCE))
