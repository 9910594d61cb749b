"""Shared keys: who proves what to whom, and every way to pretend."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import msgpack
import pytest

from coterie.errors import BrokenFrame, HandshakeRefused
from coterie.runtime.transport import ClientKey, Peer, PeerRole, SharedKey, SystemIdentity
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.dialer import Dialer, DialTarget
from coterie.runtime.transport.handshake.handshake import (
    AcceptorHandshake,
    Continue,
    Credentials,
    DialerHandshake,
    HandshakeStep,
    Passed,
)
from coterie.runtime.transport.handshake.handshake_messages import (
    Challenge,
    HandshakeRefusal,
    Hello,
    Proof,
    RefusalReason,
    Welcome,
    decode_hello,
)
from coterie.runtime.transport.handshake.protocol_versions import CODES_SINCE, VERSION_MAX, VERSION_MIN, Versions
from coterie.runtime.transport.handshake.shared_key import (
    NONCE_BYTES,
    Auth,
    FrameKeys,
    HandshakeSide,
    find_key,
    fresh_nonce,
    prove,
)

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import World

KEY, OTHER, CLIENTS = b"k" * 32, b"o" * 32, b"c" * 32
ANNA = SystemIdentity("c", "anna", 11)
BERT = SystemIdentity("c", "bert", 22)
VISITOR = SystemIdentity("", "visitor", 33, PeerRole.CLIENT)
AUTH = SharedKey(KEY)
RNG = random.Random(7)


def pack(fields: object) -> bytes:
    return cast(bytes, msgpack.packb(fields))


def admit_all(hello: Hello) -> HandshakeRefusal | None:
    del hello
    return None


def dialer(
    auth: Auth | None = AUTH,
    identity: SystemIdentity = ANNA,
    *,
    lane_class: int = 0,
    link_id: int = 7,
    versions: Versions = (VERSION_MIN, VERSION_MAX),
) -> DialerHandshake:
    return DialerHandshake(identity, lane_class=lane_class, link_id=link_id, credentials=fresh(auth), versions=versions)


def acceptor(auth: SharedKey | None = AUTH, identity: SystemIdentity = BERT) -> AcceptorHandshake:
    return AcceptorHandshake(identity, admit_all, credentials=fresh(auth))


def fresh(auth: Auth | None) -> Credentials | None:
    return None if auth is None else Credentials(auth, fresh_nonce(auth, RNG))


def said(step: HandshakeStep) -> bytes:
    """Return what a step wants to be sent."""
    assert step.reply is not None, f"nothing to send: {step}"
    return step.reply


def shake(one: DialerHandshake, other: AcceptorHandshake) -> tuple[HandshakeStep, HandshakeStep]:
    """Let both talk until they are done; return the dialer's step and the acceptor's."""
    theirs: HandshakeStep = other.receive(one.hello)
    ours: HandshakeStep = Continue(b"")
    while theirs.reply is not None:
        ours = one.receive(theirs.reply)
        if not isinstance(ours, Continue):
            break
        theirs = other.receive(ours.reply)
    return ours, theirs


def reason(step: HandshakeStep) -> RefusalReason:
    assert isinstance(step, HandshakeRefusal), f"it passed: {step}"
    return step.reason


def test_two_ends_with_one_key_pass() -> None:
    ours, theirs = shake(dialer(), acceptor())

    assert isinstance(ours, Passed)
    assert isinstance(theirs, Passed)
    assert (ours.peer, theirs.peer) == (Peer("bert", 22, PeerRole.NODE), Peer("anna", 11, PeerRole.NODE))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (SharedKey(KEY), SharedKey(OTHER, also=(KEY,))),
        (SharedKey(OTHER, also=(KEY,)), SharedKey(KEY, also=(OTHER,))),
        (SharedKey(OTHER), SharedKey(KEY, also=(b"z" * 16, OTHER))),
    ],
)
def test_keys_can_be_rotated_without_a_pause(ours: SharedKey, theirs: SharedKey) -> None:
    steps = shake(dialer(ours), acceptor(theirs))
    assert all(isinstance(step, Passed) for step in steps)


def test_a_wrong_key_is_refused_by_name_and_both_ends_hear_it() -> None:
    ours, theirs = shake(dialer(SharedKey(OTHER)), acceptor())

    assert reason(ours) is reason(theirs) is RefusalReason.WRONG_KEY
    assert isinstance(ours, HandshakeRefusal)
    assert "'anna' does not know a key with which node 'bert' accepts a node" in ours.text


@pytest.mark.parametrize(("ours", "theirs", "lacks"), [(None, SharedKey(KEY), "anna"), (SharedKey(KEY), None, "bert")])
def test_an_end_without_a_key_is_named_on_both_ends(
    ours: SharedKey | None, theirs: SharedKey | None, lacks: str
) -> None:
    steps = shake(dialer(ours), acceptor(theirs))

    for step in steps:
        assert reason(step) is RefusalReason.KEY_REQUIRED
        assert isinstance(step, HandshakeRefusal)
        assert f"'{lacks}' has none" in step.text


def test_a_client_key_makes_its_client_and_never_a_node() -> None:
    own, of_another = ClientKey("visitor", CLIENTS), ClientKey("billing", OTHER)
    nodes = SharedKey(KEY, clients=(own, of_another))

    for name in ("visitor", "visitor+7"):
        _, welcomed = shake(dialer(own, replace(VISITOR, node=name)), acceptor(nodes))
        assert isinstance(welcomed, Passed)
        assert not welcomed.peer.could_be_node
    for name in ("billing", "billing+7", "visitor7", ""):
        identity = replace(VISITOR, node=name or "+")
        ours, _ = shake(dialer(own, identity), acceptor(nodes))
        assert reason(ours) is RefusalReason.WRONG_KEY
    impostor, _ = shake(dialer(own, ANNA), acceptor(nodes))
    assert reason(impostor) is RefusalReason.WRONG_KEY


def test_a_revoked_key_is_refused() -> None:
    ours, _ = shake(dialer(ClientKey("visitor", CLIENTS), VISITOR), acceptor(SharedKey(KEY)))
    assert reason(ours) is RefusalReason.WRONG_KEY


def test_a_client_with_the_key_of_the_nodes_could_be_one() -> None:
    _, welcomed = shake(dialer(SharedKey(KEY), VISITOR), acceptor(SharedKey(OTHER, also=(KEY,))))
    assert isinstance(welcomed, Passed)
    assert welcomed.peer.could_be_node


def test_who_knows_the_key_of_a_client_poses_as_a_node_neither_to_nodes_nor_to_other_clients() -> None:
    own, of_another = ClientKey("visitor", CLIENTS), ClientKey("billing", OTHER)
    posing = SharedKey(OTHER, also=(KEY[:-1],), clients=(ClientKey("visitor", OTHER[1:]),))
    as_node, _ = shake(dialer(SharedKey(KEY, clients=(own, of_another))), acceptor(posing))
    as_client, _ = shake(dialer(own, VISITOR), acceptor(posing))
    assert reason(as_node) is RefusalReason.WRONG_KEY
    assert reason(as_client) is RefusalReason.WRONG_KEY


def test_both_ends_get_the_same_keys_for_frames_and_each_connection_others() -> None:
    found = set()
    for _ in range(3):
        ours, theirs = shake(dialer(), acceptor())
        assert isinstance(ours, Passed)
        assert isinstance(theirs, Passed)
        assert ours.frame_keys is not None
        assert theirs.frame_keys == FrameKeys(ours.frame_keys.receiving, ours.frame_keys.sending)
        found |= {ours.frame_keys.sending, ours.frame_keys.receiving}
    assert len(found) == 6
    assert KEY not in found


def test_with_keys_no_version_is_spoken_in_which_frames_have_no_codes() -> None:
    """Neither if one end offers one, nor because an attacker changes what it offers."""
    ours, _ = shake(dialer(versions=(VERSION_MIN, CODES_SINCE - 1)), acceptor())
    assert isinstance(ours, Passed)
    assert ours.version == CODES_SINCE

    old = replace(decode_hello(dialer().hello), version_min=VERSION_MIN, version_max=CODES_SINCE - 1)
    assert reason(acceptor().receive(old.encode())) is RefusalReason.UNSUPPORTED_VERSION


def test_a_proof_does_not_fit_a_later_handshake() -> None:
    one, first, second = dialer(), acceptor(), acceptor()
    proof = said(one.receive(said(first.receive(one.hello))))
    assert isinstance(first.receive(proof), Passed)

    second.receive(one.hello)  # the same hello, replayed

    assert reason(second.receive(proof)) is RefusalReason.WRONG_KEY


def test_a_welcome_does_not_fit_a_later_handshake() -> None:
    one, other = dialer(), acceptor()
    challenge = said(other.receive(one.hello))
    welcome = said(other.receive(said(one.receive(challenge))))
    assert isinstance(one.receive(welcome), Passed)

    later = dialer()
    later.receive(challenge)

    assert reason(later.receive(welcome)) is RefusalReason.WRONG_KEY


def test_proofs_do_not_fit_their_own_senders() -> None:
    """Reflection: a stranger answers a node with what it says itself."""
    hello, challenge = b"h", b"c"
    for side, other in ((HandshakeSide.DIALER, HandshakeSide.ACCEPTOR), (HandshakeSide.ACCEPTOR, HandshakeSide.DIALER)):
        proof = prove(KEY, side, hello, challenge)
        assert find_key((KEY,), side, hello, challenge, proof) == KEY
        assert find_key((KEY,), other, hello, challenge, proof) is None


def test_a_dialer_that_is_mirrored_believes_nothing() -> None:
    """The stranger dials anna with anna's own words, as often as it likes."""
    one, mirror = dialer(), acceptor(identity=ANNA)
    assert reason(mirror.receive(one.hello)) is RefusalReason.DIALLED_SELF
    proof = said(one.receive(Challenge(VERSION_MAX, "c", Peer("bert", 22, PeerRole.NODE), bytes(NONCE_BYTES)).encode()))
    mac = msgpack.unpackb(proof)[1]

    step = one.receive(Welcome(VERSION_MAX, "c", Peer("bert", 22, PeerRole.NODE), mac).encode())

    assert reason(step) is RefusalReason.WRONG_KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"version_min": VERSION_MIN, "version_max": VERSION_MIN},  # a downgrade
        {"version_max": VERSION_MAX + 1},
        {"cluster": "other"},
        {"peer": Peer("anna", 12, PeerRole.NODE)},
        {"peer": Peer("carl", 11, PeerRole.NODE)},
        {"peer": Peer("anna", 11, PeerRole.CLIENT)},
        {"lane_class": 1},
        {"link_id": 8},
        {"expected_node": "bert"},
        {"nonce": bytes(NONCE_BYTES)},
    ],
)
def test_no_field_of_a_hello_can_be_changed_on_the_way(changes: dict[str, object]) -> None:
    one, other = dialer(), acceptor()
    changed = replace(decode_hello(one.hello), **changes)  # type: ignore[arg-type]
    answer = other.receive(changed.encode())
    if isinstance(answer, HandshakeRefusal):
        assert answer.reason in (RefusalReason.WRONG_CLUSTER, RefusalReason.UNSUPPORTED_VERSION)
        return

    step = other.receive(said(one.receive(said(answer))))

    assert reason(step) is RefusalReason.WRONG_KEY


@pytest.mark.parametrize(
    "changes",
    [
        {"version": VERSION_MIN},
        {"peer": Peer("bert", 23, PeerRole.NODE)},
        {"peer": Peer("carl", 22, PeerRole.NODE)},
        {"peer": Peer("bert", 22, PeerRole.NODE, "another store")},
        {"nonce": bytes(NONCE_BYTES)},
    ],
)
def test_no_field_of_a_challenge_can_be_changed_on_the_way(changes: dict[str, object]) -> None:
    one, other = dialer(), acceptor()
    _, *fields = msgpack.unpackb(said(other.receive(one.hello)))
    version, cluster, node, incarnation, role, nonce, store = fields
    challenge = Challenge(version, cluster, Peer(node, incarnation, PeerRole(role), store), nonce)
    proof = said(one.receive(replace(challenge, **changes).encode()))  # type: ignore[arg-type]

    expected = RefusalReason.UNSUPPORTED_VERSION if "version" in changes else RefusalReason.WRONG_KEY
    assert reason(other.receive(proof)) is expected


def test_a_welcome_from_somebody_else_than_the_challenge_is_not_believed() -> None:
    one, other = dialer(), acceptor()
    welcome = said(other.receive(said(one.receive(said(other.receive(one.hello))))))
    fields = msgpack.unpackb(welcome)
    fields[4] = 99  # another incarnation

    assert reason(one.receive(pack(fields))) is RefusalReason.WRONG_KEY


def test_a_welcome_without_a_challenge_is_a_downgrade() -> None:
    plain = Welcome(VERSION_MAX, "c", Peer("bert", 22, PeerRole.NODE), bytes(32)).encode()
    assert reason(dialer().receive(plain)) is RefusalReason.KEY_REQUIRED


def test_the_owner_is_not_asked_about_strangers() -> None:
    asked: list[Hello] = []

    def admit(hello: Hello) -> HandshakeRefusal | None:
        asked.append(hello)
        return None

    auth = SharedKey(KEY)
    handshake = AcceptorHandshake(BERT, admit, credentials=fresh(auth))
    one = dialer(SharedKey(OTHER))
    shake(one, handshake)
    assert asked == []


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x90", pack(("coterie.proof",)), pack(("coterie.proof", "x" * 32)), Proof(b"").encode()],
)
def test_what_is_no_proof_is_broken(payload: bytes) -> None:
    other = acceptor()
    other.receive(dialer().hello)
    with pytest.raises(BrokenFrame):
        other.receive(payload)


def test_a_second_hello_or_challenge_is_broken() -> None:
    one, other = dialer(), acceptor()
    challenge = said(other.receive(one.hello))
    one.receive(challenge)
    with pytest.raises(BrokenFrame):
        other.receive(one.hello)
    with pytest.raises(BrokenFrame, match="second challenge"):
        one.receive(challenge)


def test_nonces_differ_and_do_not_follow_from_the_generator_alone() -> None:
    assert fresh_nonce(SharedKey(KEY), random.Random(1)) != fresh_nonce(SharedKey(OTHER), random.Random(1))
    rng = random.Random(1)
    assert len({fresh_nonce(SharedKey(KEY), rng) for _ in range(100)}) == 100


def test_keys_are_never_shown() -> None:
    client = ClientKey("c", b"a client's secret")
    auth = SharedKey(b"very secret indeed", also=(b"another secret one",), clients=(client,))
    assert "secret" not in f"{auth!r} {auth} {fresh(auth)!r} {client!r} {shake(dialer(auth), acceptor(auth))!r}"


@pytest.mark.parametrize("make", [lambda: SharedKey(b"short"), lambda: SharedKey(KEY, clients=(ClientKey("c", KEY),))])
def test_keys_that_protect_nothing_are_refused_without_showing_them(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="key") as caught:
        make()
    assert "short" not in str(caught.value)
    assert "kkk" not in str(caught.value)


def test_text_is_no_key() -> None:
    with pytest.raises(TypeError, match="bytes, not str"):
        SharedKey("k" * 32)  # type: ignore[arg-type]


@pytest.mark.virtual
async def test_systems_with_the_key_are_linked_and_others_are_refused_by_name(world: World) -> None:
    auth = SharedKey(KEY)
    b = await world.start("b", auth=auth)
    a, stranger = await world.start("a", auth=auth), await world.start("a2", auth=SharedKey(OTHER))
    for node in (a, stranger):
        node.transport.add_peer("b", *b.address)
    b.transport.add_peer("a", *a.address)
    await world.linked(a, b)
    await world.until(lambda: bool(stranger.recorder.only("refused")))

    assert [peer.node for peer in b.transport.peers()] == ["a"]
    assert "wrong_key: 'a2' does not know a key" in str(b.recorder.only("refused")[0][2])
    assert "wrong_key: 'a2' does not know a key" in str(stranger.recorder.only("refused")[0][2])


@pytest.mark.virtual
async def test_a_dialer_tells_an_acceptor_why_it_leaves(world: World) -> None:
    a, b = world.make("a", cluster="left"), await world.start("b", cluster="right", auth=SharedKey(KEY))
    a.transport.add_peer("b", *b.address)
    await world.until(lambda: bool(a.recorder.only("refused")))
    assert "wrong_cluster" in str(b.recorder.only("refused")[0][2])


async def test_a_dialer_that_leaves_at_the_challenge_says_why(real_world: World) -> None:
    b = await real_world.start("b", auth=AUTH)
    a = real_world.make("a", auth=AUTH)
    shared, peers = a.transport._shared, a.transport._peers
    dialer = Dialer(DialTarget(*b.address, "b"), a.host, a.host.network, shared, peers, a.recorder.refused)

    opened: list[Connection] = []
    with pytest.raises(HandshakeRefused, match="wrong_node"):
        await dialer._open(opened, 1, 7, Peer("b", 12345, PeerRole.NODE))  # it was another life on the first connection
    for connection in opened:
        connection.abort()  # as the dialer does with what made no link
    await real_world.until(lambda: bool(b.recorder.only("refused")))

    assert "wrong_node: expected Peer(node='b', incarnation=12345" in str(b.recorder.only("refused")[0][2])


@pytest.mark.virtual
async def test_listening_beyond_loopback_is_allowed_with_a_key(world: World) -> None:
    node = world.make("n", auth=SharedKey(KEY))
    assert (await node.transport.listen("0.0.0.0", 7))[1] == 7
