from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from coterie.runtime.transport.handshake.certificate import (
    SERVER_AUTH,
    Certificate,
    certificate_refusal,
    extended_key_usages,
)
from coterie.runtime.transport.handshake.handshake_messages import RefusalReason
from coterie.runtime.transport.handshake.identity import Peer, PeerRole
from tests.runtime.transport.certificate_authority import CLIENT, NODE, Authority

NODE_PEER, CLIENT_PEER = Peer("n1", 1, PeerRole.NODE), Peer("web", 1, PeerRole.CLIENT)


def encoded(path: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(path).read_text())


@pytest.mark.parametrize("alternatives", [(), ("n1", "n1.example.org")])
def test_usages_are_read_from_a_certificate(tmp_path: Path, alternatives: tuple[str, ...]) -> None:
    authority = Authority(tmp_path)

    node = extended_key_usages(encoded(authority.issue("n1", usages=NODE, alternatives=alternatives).certificate))
    client = extended_key_usages(encoded(authority.issue("web", usages=CLIENT, alternatives=alternatives).certificate))
    plain = extended_key_usages(encoded(authority.issue("x", usages=(), alternatives=alternatives).certificate))

    assert (SERVER_AUTH in node, len(node)) == (True, 2)
    assert (SERVER_AUTH in client, len(client)) == (False, 1)
    assert plain == ()


def test_a_name_that_looks_like_the_usage_does_not_make_a_node(tmp_path: Path) -> None:
    looks_like_it = SERVER_AUTH.decode("latin-1")
    made = Authority(tmp_path).issue("web", usages=CLIENT, alternatives=(looks_like_it,))
    assert SERVER_AUTH in encoded(made.certificate)
    assert SERVER_AUTH not in extended_key_usages(encoded(made.certificate))


def test_a_certificate_cut_short_anywhere_vouches_for_no_usage(tmp_path: Path) -> None:
    whole = encoded(Authority(tmp_path).issue("n1").certificate)
    for size in range(len(whole)):
        assert extended_key_usages(whole[:size]) == ()


@pytest.mark.parametrize(
    ("certificate", "peer", "expected"),
    [
        (None, NODE_PEER, None),
        (Certificate(("n1",), may_be_node=True), NODE_PEER, None),
        (Certificate(("x", "n1"), may_be_node=True), NODE_PEER, None),
        (Certificate(("web",), may_be_node=False), CLIENT_PEER, None),
        (Certificate(("web",), may_be_node=False), Peer("web+3f", 1, PeerRole.CLIENT), None),
        (Certificate(("n1",), may_be_node=True), Peer("n1", 1, PeerRole.CLIENT), None),
        (Certificate(("n1",), may_be_node=False), NODE_PEER, RefusalReason.WRONG_ROLE),
        (Certificate(("n1",), may_be_node=True), Peer("n1+x", 1, PeerRole.NODE), RefusalReason.WRONG_CERTIFICATE),
        (Certificate(("N1",), may_be_node=True), NODE_PEER, RefusalReason.WRONG_CERTIFICATE),
        (Certificate(("*",), may_be_node=True), NODE_PEER, RefusalReason.WRONG_CERTIFICATE),
        (Certificate((), may_be_node=True), NODE_PEER, RefusalReason.WRONG_CERTIFICATE),
        (Certificate(("we",), may_be_node=False), CLIENT_PEER, RefusalReason.WRONG_CERTIFICATE),
    ],
)
def test_whom_a_certificate_vouches_for(
    certificate: Certificate | None, peer: Peer, expected: RefusalReason | None
) -> None:
    refused = certificate_refusal(certificate, peer)
    assert (refused and refused.reason) == expected
