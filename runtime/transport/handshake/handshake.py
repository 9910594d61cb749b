"""The handshake: who is there, before anything else is decoded. Pure: payloads in, payloads and verdicts out.

      dialer                                   acceptor
        │ ── Hello(versions, who, whom, nonce) ──▶ │   checks version, cluster, names
        │ ◀── Challenge(version, who, nonce) ───── │   only with a shared key
        │ ── Proof ──────────────────────────────▶ │   checks the key, then what only its owner knows
        │ ◀── Welcome(version, who, proof) ─────── │   … or, at either step, Refuse(reason, text): the connection ends
        │ ── frames of items ────────────────────▶ │

Each side is a small machine that is fed one payload at a time and answers with a verdict: `Passed`, `Refused`, or
`Continue` (send this, and feed me the next one). The dialer proves itself first: strangers get nothing to guess at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coterie.errors import BrokenFrame
from coterie.runtime.transport.handshake.handshake_messages import (
    Challenge,
    Hello,
    Proof,
    RefusalReason,
    Refused,
    Welcome,
    decode_answer,
    decode_hello,
    decode_proof,
    peer_of,
    refuse,
)
from coterie.runtime.transport.handshake.identity import Identity, Peer, Role
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN, Versions, highest_common
from coterie.runtime.transport.handshake.shared_key import SharedKey, Side, find_key, prove

__all__ = ["AcceptorHandshake", "Continue", "Credentials", "DialerHandshake", "Passed", "Verdict"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one end brings into one handshake: its keys, and the nonce that it uses this once."""

    auth: SharedKey
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Continue:
    """Verdict: it goes on. Send `reply`, and feed the next payload."""

    reply: bytes


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


Verdict = Continue | Passed | Refused


class AcceptorHandshake:
    """The side that was dialled: expects a Hello, and a Proof if it has credentials.

    Args:
        identity: who we are.
        admit: asked last, with the Hello of somebody who passed everything else; returns a refusal (see `refuse`) or
            None.
        credentials: our keys; None if we have none.
        versions: what we speak.
    """

    __slots__ = ("_admit", "_challenge", "_credentials", "_hello", "_identity", "_is_over", "_said", "_versions")

    def __init__(
        self,
        identity: Identity,
        admit: Callable[[Hello], Refused | None],
        *,
        credentials: Credentials | None = None,
        versions: Versions = (VERSION_MIN, VERSION_MAX),
    ) -> None:
        self._identity = identity
        self._admit = admit
        self._credentials = credentials
        self._versions = versions
        self._hello: Hello | None = None
        self._said = b""  # the Hello as it came
        self._challenge: Challenge | None = None
        self._is_over = False

    def receive(self, payload: bytes) -> Verdict:
        """Take the next payload. BrokenFrame if it is nothing of a handshake: then nobody is answered."""
        if self._is_over:
            raise BrokenFrame("a payload between the handshake and the link")
        if self._hello is not None and self._challenge is not None and self._credentials is not None:
            verdict = self._receive_proof(self._hello, self._challenge, self._credentials.auth, payload)
        else:
            verdict = self._receive_hello(payload)
        self._is_over = not isinstance(verdict, Continue)
        return verdict

    def _receive_hello(self, payload: bytes) -> Verdict:
        hello = self._hello = decode_hello(payload)
        version = highest_common(self._versions, (hello.version_min, hello.version_max))
        if version is None:
            return self._wrong_version(hello)
        refusal = self._check(hello)
        if refusal is not None:
            return refusal
        if self._credentials is None:
            return self._welcome(hello, version)
        self._said = payload
        self._challenge = Challenge(version, self._identity.cluster, peer_of(self._identity), self._credentials.nonce)
        return Continue(self._challenge.encode())

    def _receive_proof(self, hello: Hello, challenge: Challenge, auth: SharedKey, payload: bytes) -> Verdict:
        answer = decode_proof(payload)
        if isinstance(answer, Refused):
            return answer
        said, role = challenge.encode(), hello.peer.role
        key = find_key(auth.accepted_from(role), Side.DIALER, self._said, said, answer.proof)
        if key is None:
            text = (
                f"{hello.peer.node!r} does not know a key with which node {self._identity.node!r} takes a "
                f"{role.value}; compare auth= on both"
            )
            return refuse(RefusalReason.WRONG_KEY, text)
        return self._welcome(hello, challenge.version, prove(key, Side.ACCEPTOR, self._said, said))

    def _welcome(self, hello: Hello, version: int, proof: bytes = b"") -> Verdict:
        refusal = self._admit(hello)
        if refusal is not None:
            return refusal
        cluster = self._identity.cluster
        reply = Welcome(version, cluster, peer_of(self._identity), proof).encode()
        return Passed(hello.peer, version, cluster, hello.lane_class, hello.link_id, reply)

    def _wrong_version(self, hello: Hello) -> Refused:
        (low, high), me, peer = self._versions, self._identity.node, hello.peer.node
        theirs = f"{hello.version_min} … {hello.version_max}"
        text = f"node {me!r} speaks protocol versions {low} … {high}, {peer!r} speaks {theirs}; upgrade the older one"
        return refuse(RefusalReason.UNSUPPORTED_VERSION, text)

    def _check(self, hello: Hello) -> Refused | None:
        me, peer = self._identity, hello.peer
        if hello.cluster != me.cluster and not (peer.role is Role.CLIENT and not hello.cluster):
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
    """The side that dials: says a Hello, answers a Challenge, expects a Welcome.

    Args:
        identity: who we are (a client's cluster may be "").
        lane_class: 0 for the connection of control and consensus, 1 for bulk.
        link_id: the number that the two connections of the link share.
        expected: whom we mean to reach: a node's name ("" for anyone), or exactly this life of this peer.
        credentials: our keys; with them, nobody is believed who does not prove that they know one.
        versions: what we speak.
    """

    __slots__ = (
        "_challenge",
        "_credentials",
        "_expected",
        "_expected_node",
        "_hello",
        "_identity",
        "_is_over",
        "_said",
    )

    def __init__(
        self,
        identity: Identity,
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
        me, low, high = peer_of(identity), *versions
        self._hello = Hello(low, high, identity.cluster, me, lane_class, link_id, self._expected_node, nonce)
        self._challenge: Challenge | None = None
        self._said = b""  # the Challenge as it came
        self._is_over = False

    @property
    def hello(self) -> bytes:
        """The payload to send first."""
        return self._hello.encode()

    def receive(self, payload: bytes) -> Verdict:
        """Take the next answer. BrokenFrame if it is none."""
        if self._is_over:
            raise BrokenFrame("an answer after the last one of a handshake")
        answer = decode_answer(payload)
        if isinstance(answer, Refused):
            verdict: Verdict = answer
        elif isinstance(answer, Challenge):
            verdict = self._receive_challenge(answer, payload)
        else:
            verdict = self._receive_welcome(answer)
        self._is_over = not isinstance(verdict, Continue)
        return verdict

    def _receive_challenge(self, challenge: Challenge, payload: bytes) -> Verdict:
        if self._challenge is not None:
            raise BrokenFrame("a second challenge")
        refusal = self._check(challenge)
        if refusal is not None:
            return refusal
        if self._credentials is None:
            return _key_required(challenge.peer.node, self._identity.node)
        self._challenge, self._said = challenge, payload
        return Continue(Proof(prove(self._credentials.auth.key, Side.DIALER, self.hello, payload)).encode())

    def _receive_welcome(self, welcome: Welcome) -> Verdict:
        refusal = self._check(welcome) or self._check_proof(welcome)
        if refusal is not None:
            return Refused(refusal.reason, refusal.text)  # the acceptor is waiting for items, not for words
        hello = self._hello
        return Passed(welcome.peer, welcome.version, welcome.cluster, hello.lane_class, hello.link_id)

    def _check_proof(self, welcome: Welcome) -> Refused | None:
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
        if not is_same or find_key((key,), Side.ACCEPTOR, self.hello, self._said, welcome.proof) is None:
            text = f"{welcome.peer.node!r} does not prove to {me!r} that it knows the shared key; compare auth= on both"
            return refuse(RefusalReason.WRONG_KEY, text)
        return None

    def _check(self, answer: Challenge | Welcome) -> Refused | None:
        """Check again what the acceptor has checked: two ends that disagree about who they are must not talk."""
        me, peer, hello = self._identity, answer.peer, self._hello
        if not hello.version_min <= answer.version <= hello.version_max:
            text = f"node {peer.node!r} chose version {answer.version}, never offered by {me.node!r}"
            return refuse(RefusalReason.UNSUPPORTED_VERSION, text)
        if me.cluster not in ("", answer.cluster):
            return _wrong_cluster(me, answer.cluster, peer.node)
        if peer.role is not Role.NODE:
            return refuse(
                RefusalReason.WRONG_ROLE, f"{peer.node!r} answered as a {peer.role.value}: only nodes are dialled"
            )
        if peer.node == me.node:
            return _own_name(me, peer)
        if self._expected_node not in ("", peer.node) or (isinstance(self._expected, Peer) and self._expected != peer):
            return refuse(RefusalReason.WRONG_NODE, f"expected {self._expected!r}, {peer!r} answered")
        return None


def _wrong_cluster(me: Identity, theirs: str, node: str) -> Refused:
    text = f"{me.node!r} belongs to cluster {me.cluster!r}, {node!r} to {theirs!r}"
    return refuse(RefusalReason.WRONG_CLUSTER, text)


def _own_name(me: Identity, peer: Peer) -> Refused:
    if peer.incarnation == me.incarnation:
        return refuse(RefusalReason.DIALLED_SELF, f"node {me.node!r} dialled itself; leave out its own address")
    text = f"two processes call themselves {me.node!r}; each node of a cluster needs its own name"
    return refuse(RefusalReason.OWN_NAME, text)


def _key_required(demands: str, lacks: str) -> Refused:
    text = f"{demands!r} asks for proof of a shared key, {lacks!r} has none; set auth= on both or on neither"
    return refuse(RefusalReason.KEY_REQUIRED, text)
