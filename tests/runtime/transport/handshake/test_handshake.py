from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from typing import cast

import msgpack
import pytest

from coterie.errors import BrokenFrame
from coterie.runtime.transport.handshake.handshake import (
    AcceptorHandshake,
    Continue,
    DialerHandshake,
    HandshakeStep,
    Passed,
)
from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, Hello, RefusalReason, refuse
from coterie.runtime.transport.handshake.identity import NAME_CHARS_MAX, Peer, PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN
from coterie.runtime.transport.transport_config import HELLO_CAP_BYTES

ANNA = SystemIdentity("c", "anna", 11)
BERT = SystemIdentity("c", "bert", 22)
CLIENT = SystemIdentity("", "visitor", 33, PeerRole.CLIENT)
HELLO = Hello(VERSION_MIN, VERSION_MAX, "c", Peer("anna", 11, PeerRole.NODE), 0, 7, "bert")


def pack(value: object) -> bytes:
    return cast(bytes, msgpack.packb(value))


def admit_all(hello: Hello) -> HandshakeRefusal | None:
    del hello
    return None


def accept(payload: bytes, identity: SystemIdentity = BERT) -> Passed | HandshakeRefusal:
    step = AcceptorHandshake(identity, admit_all).receive(payload)
    assert not isinstance(step, Continue), "without a key nobody is challenged"
    return step


def shake(
    dialer: DialerHandshake, identity: SystemIdentity = BERT
) -> tuple[Passed | HandshakeRefusal, Passed | HandshakeRefusal]:
    """Run both sides; return the acceptor's step and the dialer's."""
    accepted = accept(dialer.hello, identity)
    assert accepted.reply is not None
    dialled = dialer.receive(accepted.reply)
    assert not isinstance(dialled, Continue)
    return accepted, dialled


def reason(step: HandshakeStep) -> RefusalReason:
    assert isinstance(step, HandshakeRefusal), f"it passed: {step}"
    assert step.text
    return step.reason


def welcome(*fields: object) -> bytes:
    return pack(("coterie.welcome", *fields))


def test_two_nodes_of_one_cluster_pass() -> None:
    accepted, dialled = shake(DialerHandshake(ANNA, lane_class=1, link_id=2**64 - 1, expected="bert"))

    assert accepted == Passed(Peer("anna", 11, PeerRole.NODE), VERSION_MAX, "c", 1, 2**64 - 1, reply=accepted.reply)
    assert dialled == Passed(Peer("bert", 22, PeerRole.NODE), VERSION_MAX, "c", 1, 2**64 - 1)


def test_dialer_may_expect_anyone() -> None:
    accepted, dialled = shake(DialerHandshake(ANNA, lane_class=0, link_id=1))
    assert isinstance(accepted, Passed)
    assert isinstance(dialled, Passed)


def test_client_without_a_cluster_learns_it() -> None:
    accepted, dialled = shake(DialerHandshake(CLIENT, lane_class=0, link_id=1))

    assert isinstance(accepted, Passed)
    assert accepted.peer == Peer("visitor", 33, PeerRole.CLIENT)
    assert isinstance(dialled, Passed)
    assert dialled.cluster == "c"


@pytest.mark.parametrize(
    ("hello", "expected"),
    [
        (replace(HELLO, version_min=VERSION_MAX + 1, version_max=VERSION_MAX + 9), RefusalReason.UNSUPPORTED_VERSION),
        (replace(HELLO, version_min=0, version_max=VERSION_MIN - 1), RefusalReason.UNSUPPORTED_VERSION),
        (replace(HELLO, cluster="other"), RefusalReason.WRONG_CLUSTER),
        (replace(HELLO, cluster=""), RefusalReason.WRONG_CLUSTER),
        (replace(HELLO, cluster="x", peer=Peer("v", 1, PeerRole.CLIENT)), RefusalReason.WRONG_CLUSTER),
        (replace(HELLO, peer=Peer("bert", 99, PeerRole.NODE)), RefusalReason.OWN_NAME),
        (replace(HELLO, peer=Peer("bert", 99, PeerRole.CLIENT)), RefusalReason.OWN_NAME),
        (replace(HELLO, peer=Peer("bert", 22, PeerRole.NODE)), RefusalReason.DIALLED_SELF),
        (replace(HELLO, expected_node="carl"), RefusalReason.WRONG_NODE),
    ],
)
def test_acceptor_refuses_and_dialer_hears_why(hello: Hello, expected: RefusalReason) -> None:
    step = accept(hello.encode())

    assert reason(step) is expected
    assert step.reply is not None
    heard = DialerHandshake(ANNA, lane_class=0, link_id=7).receive(step.reply)
    assert isinstance(heard, HandshakeRefusal)
    assert isinstance(step, HandshakeRefusal)
    assert (heard.reason, heard.text) == (expected, step.text)


def test_version_ranges_that_overlap_meet_at_the_highest_common_one() -> None:
    step = accept(replace(HELLO, version_min=0, version_max=VERSION_MAX + 5).encode())
    assert isinstance(step, Passed)
    assert step.version == VERSION_MAX


def test_admission_is_asked_last_and_its_refusal_travels() -> None:
    asked: list[Hello] = []

    def admit(hello: Hello) -> HandshakeRefusal:
        asked.append(hello)
        return refuse(RefusalReason.SUPERSEDED, "go away")

    assert reason(AcceptorHandshake(BERT, admit).receive(HELLO.encode())) is RefusalReason.SUPERSEDED
    assert asked == [HELLO]
    AcceptorHandshake(BERT, admit).receive(replace(HELLO, cluster="other").encode())
    assert asked == [HELLO]


def test_dialer_refuses_a_welcome_from_the_wrong_node() -> None:
    dialer = DialerHandshake(ANNA, lane_class=0, link_id=1, expected="carl")
    assert reason(dialer.receive(welcome(VERSION_MIN, "c", "bert", 22, "node"))) is RefusalReason.WRONG_NODE


def test_dialer_refuses_another_life_at_the_second_connection() -> None:
    dialer = DialerHandshake(ANNA, lane_class=1, link_id=1, expected=Peer("bert", 22, PeerRole.NODE))
    assert reason(dialer.receive(welcome(VERSION_MIN, "c", "bert", 23, "node"))) is RefusalReason.WRONG_NODE


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((VERSION_MAX + 1, "c", "bert", 22, "node"), RefusalReason.UNSUPPORTED_VERSION),
        ((VERSION_MIN - 1, "c", "bert", 22, "node"), RefusalReason.UNSUPPORTED_VERSION),
        ((VERSION_MIN, "other", "bert", 22, "node"), RefusalReason.WRONG_CLUSTER),
        ((VERSION_MIN, "c", "anna", 22, "node"), RefusalReason.OWN_NAME),
        ((VERSION_MIN, "c", "anna", 11, "node"), RefusalReason.DIALLED_SELF),
        ((VERSION_MIN, "c", "bert", 22, "client"), RefusalReason.WRONG_ROLE),
    ],
)
def test_dialer_checks_the_welcome_too(fields: tuple[object, ...], expected: RefusalReason) -> None:
    dialer = DialerHandshake(ANNA, lane_class=0, link_id=1)
    assert reason(dialer.receive(welcome(*fields))) is expected


def test_fields_appended_by_a_newer_peer_are_ignored() -> None:
    hello = pack((*msgpack.unpackb(HELLO.encode()), "new", {"and": "more"}))
    assert msgpack.unpackb(HELLO.encode())[-2:] == [b"", ""], "the nonce and the store stand last"
    assert isinstance(accept(hello), Passed)
    dialer = DialerHandshake(ANNA, lane_class=0, link_id=1)
    assert isinstance(dialer.receive(welcome(VERSION_MIN, "c", "bert", 22, "node", b"", "a store", "new")), Passed)


def test_both_ends_learn_the_store_of_the_other_and_an_older_peer_has_none() -> None:
    anna, bert = replace(ANNA, store="a" * 32), replace(BERT, store="b" * 32)
    dialer = DialerHandshake(anna, lane_class=0, link_id=1)
    accepted = AcceptorHandshake(bert, lambda _: None).receive(dialer.hello)
    assert isinstance(accepted, Passed)
    assert accepted.reply is not None
    passed = dialer.receive(accepted.reply)
    assert isinstance(passed, Passed)
    assert (accepted.peer.store, passed.peer.store) == ("a" * 32, "b" * 32)

    older = pack(tuple(msgpack.unpackb(HELLO.encode())[:-1]))
    step = accept(older)
    assert isinstance(step, Passed)
    assert step.peer.store == ""


def test_a_reason_of_a_newer_peer_is_unknown_but_its_text_is_shown() -> None:
    dialer = DialerHandshake(ANNA, lane_class=0, link_id=1)
    step = dialer.receive(pack(("coterie.refuse", "phase_of_moon", "wait for it")))
    assert step == HandshakeRefusal(RefusalReason.UNKNOWN, "wait for it")


def changed(at: int, value: object) -> bytes:
    fields = list(msgpack.unpackb(HELLO.encode()))
    fields[at] = value
    return pack(fields)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        b"\x90",
        b"\x93\x01\x02\x03",
        pack({"coterie.hello": 1}),
        pack(("coterie.hello", 1, 1)),
        pack(("coterie.welcome", 1, "c", "anna", 1, "node", 0, 0, "", "")),
        HELLO.encode() + b"\x00",
        HELLO.encode()[:-1],
        changed(1, "1"),
        changed(2, 2**32),
        changed(2, True),
        changed(3, b"c"),
        changed(3, "c" * (NAME_CHARS_MAX + 1)),
        changed(4, ""),
        changed(4, None),
        changed(3, "c\n"),
        changed(4, "anna\x1b[2J"),
        changed(9, "bert\u202e"),
        changed(5, -1),
        changed(5, 1.0),
        changed(6, "king"),
        changed(6, ["node"]),
        changed(7, 2),
        changed(8, -(2**63)),
        changed(9, 5),
        pack(("coterie.hello", b"x" * HELLO_CAP_BYTES)),
    ],
)
def test_what_is_no_hello_is_broken_and_not_answered(payload: bytes) -> None:
    with pytest.raises(BrokenFrame):
        accept(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x90",
        HELLO.encode(),
        pack(("coterie.welcome",)),
        welcome(VERSION_MIN, "", "bert", 22, "node"),
        welcome(VERSION_MIN, "c", "", 22, "node"),
        welcome(VERSION_MIN, "c\x9b", "bert", 22, "node"),
        welcome(VERSION_MIN, "c", "bert\n", 22, "node"),
        welcome(VERSION_MIN, "c", "bert", "22", "node"),
        pack(("coterie.refuse",)),
        pack(("coterie.refuse", 1, 2)),
    ],
)
def test_what_is_no_answer_is_broken(payload: bytes) -> None:
    with pytest.raises(BrokenFrame):
        DialerHandshake(ANNA, lane_class=0, link_id=1).receive(payload)


def test_each_side_takes_one_payload() -> None:
    acceptor, dialer = AcceptorHandshake(BERT, admit_all), DialerHandshake(ANNA, lane_class=0, link_id=1)
    passed = acceptor.receive(dialer.hello)
    assert isinstance(passed, Passed)
    reply = passed.reply
    assert reply is not None
    dialer.receive(reply)

    with pytest.raises(BrokenFrame, match="between the handshake and the link"):
        acceptor.receive(dialer.hello)
    with pytest.raises(BrokenFrame, match="after the last one"):
        dialer.receive(reply)


def test_random_damage_is_refused_or_broken_and_nothing_else() -> None:
    rng = random.Random(5)
    for _ in range(5000):
        damaged = bytearray(HELLO.encode())
        for _ in range(rng.randrange(1, 5)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(BrokenFrame):
            assert isinstance(accept(bytes(damaged)), (Passed, HandshakeRefusal))


def test_the_longest_hello_and_the_longest_refusal_fit_the_cap() -> None:
    longest = "\U0001f600" * NAME_CHARS_MAX  # four bytes each
    identity = SystemIdentity(longest, longest, 2**64 - 1, PeerRole.CLIENT)
    dialer = DialerHandshake(identity, lane_class=1, link_id=2**64 - 1, expected=longest)
    assert len(dialer.hello) <= HELLO_CAP_BYTES
    step = accept(dialer.hello)
    assert step.reply is not None
    assert len(step.reply) <= HELLO_CAP_BYTES
