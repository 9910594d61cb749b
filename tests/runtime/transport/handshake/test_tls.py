"""Mutual TLS over real sockets, on asyncio and uvloop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from coterie.errors import TransportError
from coterie.runtime.hosts.real_network import RealNetwork
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import PeerRole, SharedKey, TransportConfig
from tests.runtime.transport.certificate_authority import CLIENT, Authority

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def introduce(a: Node, b: Node) -> None:
    b.transport.add_peer("a", *a.address)
    a.transport.add_peer("b", *b.address)


async def pair(world: World, tls_a: TlsConfig, tls_b: TlsConfig) -> tuple[Node, Node]:
    a, b = await world.start("a", tls=tls_a), await world.start("b", tls=tls_b)
    introduce(a, b)
    return a, b


async def refusal(world: World, node: Node) -> str:
    await world.until(lambda: bool(node.recorder.only("refused")))
    return str(node.recorder.only("refused")[0][2])


async def test_nodes_with_their_certificates_are_linked_in_tls_1_3(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)

    for number in range(2000):
        a.transport.send("b", Lane.BULK, (number, b"x" * 1000))
        b.transport.send("a", Lane.CONTROL, number)
    a.transport.send("b", Lane.BULK, b"y" * 3_000_000)
    await real_world.until(lambda: len(b.items) == 2001 and len(a.items) == 2000)

    for node in (a, b):
        for connection in node.transport._shared.connections:
            assert connection._transport is not None
            channel = connection._transport.get_extra_info("ssl_object")
            assert channel.version() == "TLSv1.3"
            # Nobody comes back with a ticket instead of a certificate.
            assert not (channel.session and channel.session.has_ticket)


async def test_chunks_leave_only_as_the_channel_takes_them(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)
    bulk = a.transport._links["b"].bulk._transport
    assert bulk is not None

    a.transport.send("b", Lane.BULK, b"x" * 60_000_000)
    highest = 0
    while not b.items:
        await asyncio.sleep(0)
        highest = max(highest, bulk.get_write_buffer_size())

    assert 0 < highest <= 2 * 256 * 1024


async def test_queued_items_survive_a_close(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)
    for number in range(300):
        a.transport.send("b", Lane.BULK, (number, b"x" * 10_000))
        a.transport.send("b", Lane.CONTROL, number)

    await a.transport.close()
    await real_world.until(lambda: bool(b.recorder.only("down")))

    assert len(b.items) == 600


async def test_a_link_comes_up_again_after_a_break(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)

    for connection in list(b.transport._shared.connections):
        assert connection._transport is not None
        connection._transport.abort()

    await real_world.until(lambda: a.recorder.kinds().count("up") == b.recorder.kinds().count("up") == 2)


async def test_a_certificate_made_out_to_another_is_refused_by_name(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("mallory"), authority.issue("b"))

    for node in (a, b):
        assert "wrong_certificate: 'a' presented a certificate issued to 'mallory'" in await refusal(real_world, node)
    assert b.recorder.only("up") == []


async def test_a_dialled_node_with_the_certificate_of_another_is_refused(
    real_world: World, authority: Authority
) -> None:
    a, _ = await pair(real_world, authority.issue("a"), authority.issue("mallory"))
    assert "wrong_certificate: 'b' presented a certificate issued to 'mallory'" in await refusal(real_world, a)
    assert a.recorder.only("up") == []


async def test_alternative_names_count_and_the_common_name_beside_them_does_not(
    real_world: World, authority: Authority
) -> None:
    tls_a = authority.issue("whoever", alternatives=("x", "a"))
    a, b = await pair(real_world, tls_a, authority.issue("b", alternatives=("c",)))
    assert "'b' presented a certificate issued to 'c'" in await refusal(real_world, a)
    assert b.recorder.only("up") == []


async def test_a_client_with_a_clients_certificate_is_linked_as_a_client(
    real_world: World, authority: Authority
) -> None:
    node = await real_world.start("n", tls=authority.issue("n"))
    client = real_world.make("visitor", role=PeerRole.CLIENT, cluster="", tls=authority.issue("visitor", usages=CLIENT))

    client.transport.dial(*node.address)
    await real_world.linked(client, node)

    assert node.transport.peers()[0].role is PeerRole.CLIENT


async def test_a_clients_certificate_never_makes_a_node(real_world: World, authority: Authority) -> None:
    node = await real_world.start("n", tls=authority.issue("n"))
    impostor = real_world.make("a", tls=authority.issue("a", usages=CLIENT))

    impostor.transport.add_peer("n", *node.address)

    assert "wrong_role: 'a' is a node with a client's certificate" in await refusal(real_world, impostor)
    assert node.recorder.only("up") == []


async def test_a_client_is_nobody_to_dial(real_world: World, authority: Authority) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b", usages=CLIENT))
    assert "wrong_certificate: TLS: CERTIFICATE_VERIFY_FAILED" in await refusal(real_world, a)
    assert (a.recorder.only("up"), b.recorder.only("up")) == ([], [])


@pytest.mark.parametrize("strange", ["authority", "expired"])
async def test_a_certificate_that_does_not_count_is_refused_on_both_sides(
    real_world: World, authority: Authority, tmp_path: Path, strange: str
) -> None:
    (tmp_path / "other").mkdir()
    issuer = Authority(tmp_path / "other", "other") if strange == "authority" else authority
    made = issuer.issue("a", days_left=1 if strange == "authority" else -1)
    a, b = await pair(real_world, TlsConfig(made.certificate, made.key, str(authority.path)), authority.issue("b"))

    assert "wrong_certificate: TLS: CERTIFICATE_VERIFY_FAILED" in await refusal(real_world, b)
    assert "it may have refused our certificate" in await refusal(real_world, a)
    assert (a.recorder.only("up"), b.recorder.only("up")) == ([], [])


@pytest.mark.parametrize("auth", [None, SharedKey(b"k" * 32)])
async def test_a_node_in_tls_and_one_without_say_so_at_both_ends_whichever_dials(
    real_world: World, authority: Authority, auth: SharedKey | None
) -> None:
    for dialer, dialled, text in (
        (None, authority.issue("b"), "the end that was dialled asks for TLS, and the one that dialled speaks none"),
        (authority.issue("a"), None, "the end that dialled asks for TLS, and the one that was dialled speaks none"),
    ):
        a, b = await real_world.start("a", tls=dialer, auth=auth), await real_world.start("b", tls=dialled, auth=auth)
        introduce(a, b)

        for node in (a, b):
            said = await refusal(real_world, node)
            assert said.startswith(f"tls_mismatch: {text}; give tls= (--tls-certificate, "), said
        assert (a.recorder.only("up"), b.recorder.only("up")) == ([], [])
        assert a.recorder.only("refused")[0][1] == f"127.0.0.1:{b.address[1]}"
        assert str(b.recorder.only("refused")[0][1]).startswith("127.0.0.1:"), "where the dialer is"
        await a.transport.close()
        await b.transport.close()


async def test_a_program_that_speaks_neither_tls_nor_frames_is_told_of_and_gets_no_answer(
    real_world: World, authority: Authority
) -> None:
    node = await real_world.start("n", tls=authority.issue("n"))
    browser = Talker(b"GET / HTTP/1.1\r\n\r\n")

    await RealNetwork().connect(lambda: browser, *node.address)

    assert "tls_mismatch" in await refusal(real_world, node)
    await real_world.until(lambda: browser.is_lost)
    assert browser.heard == b""


async def test_what_a_plain_dialer_is_answered_names_nothing(real_world: World, authority: Authority) -> None:
    node = await real_world.start("secret-name", cluster="secret-cluster", tls=authority.issue("secret-name"))
    stranger = Talker(b"\0" * 16)

    await RealNetwork().connect(lambda: stranger, *node.address)
    await real_world.until(lambda: stranger.is_lost)

    assert b"tls_mismatch" in stranger.heard
    assert b"secret" not in stranger.heard


async def test_shared_keys_and_tls_go_together(real_world: World, authority: Authority) -> None:
    auth = SharedKey(b"k" * 32)
    a = await real_world.start("a", tls=authority.issue("a"), auth=auth)
    b = await real_world.start("b", tls=authority.issue("b"), auth=auth)
    introduce(a, b)
    await real_world.linked(a, b)


async def test_renewed_certificates_count_for_new_connections_and_links_stay(
    real_world: World, authority: Authority
) -> None:
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)
    for node in (a, b):
        authority.issue(node.transport.identity.node)
        node.transport.reload_certificates()
    await asyncio.sleep(0)
    assert a.recorder.kinds() == ["up"]

    for connection in list(b.transport._shared.connections):
        assert connection._transport is not None
        connection._transport.abort()
    await real_world.until(lambda: a.recorder.kinds().count("up") == 2)


async def test_links_whose_authority_has_left_the_file_end_and_come_back_with_new_certificates(
    real_world: World, authority: Authority, tmp_path: Path
) -> None:
    """As an authority is replaced: first both are trusted, then all have new certificates, then the old one goes."""
    a, b = await pair(real_world, authority.issue("a"), authority.issue("b"))
    await real_world.linked(a, b)
    old = authority.path.read_bytes()
    successor = Authority(tmp_path, "authority")  # in the same file
    new = authority.path.read_bytes()
    for content, renewed in ((old + new, ()), (old + new, ("a", "b"))):
        authority.path.write_bytes(content)
        for name in renewed:
            successor.issue(name)
        authority.path.write_bytes(content)
        for node in (a, b):
            node.transport.reload_certificates()
    await asyncio.sleep(0)
    assert a.recorder.kinds() == ["up"]

    authority.path.write_bytes(new)
    a.transport.reload_certificates()
    b.transport.reload_certificates()
    await real_world.until(lambda: a.recorder.kinds().count("up") == 2)
    downs = [str(event[3]) for node in (a, b) for event in node.recorder.only("down")]
    assert any("does not count any more: no authority in" in text for text in downs), downs


async def test_links_with_revoked_or_expired_certificates_end_at_a_reload_and_do_not_come_back(
    real_world: World, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("# none yet\n\n")
    node = await real_world.start("n", tls=replace(authority.issue("n"), revoked=str(revoked)))
    clients = [real_world.make(name, role=PeerRole.CLIENT, tls=authority.issue(name)) for name in ("lost", "good")]
    for client in clients:
        client.transport.dial(*node.address)
    await real_world.until(lambda: len(node.transport.peers()) == 2)

    lost = x509.load_pem_x509_certificate((tmp_path / "lost.crt").read_bytes()).fingerprint(hashes.SHA256())
    revoked.write_text(f"sha256 Fingerprint={lost.hex(':').upper()}  # stolen\n")
    node.transport.reload_certificates()
    assert [peer.node for peer in node.transport.peers()] == ["good"]
    await real_world.until(lambda: bool(node.recorder.only("refused")))
    assert f"does not count: it is revoked in {str(revoked)!r}" in str(node.recorder.only("refused")[0][2])

    monkeypatch.setattr(time, "time", lambda: 4e9)
    node.transport.reload_certificates()
    assert node.transport.peers() == []


@pytest.mark.parametrize("revoked_one", ["control", "bulk"])
async def test_a_link_ends_at_a_reload_whichever_of_its_connections_showed_a_revoked_certificate(
    real_world: World, authority: Authority, tmp_path: Path, revoked_one: str
) -> None:
    """The other end may renew its certificate between the two."""
    revoked = tmp_path / "revoked"
    revoked.write_text("ab" * 32)
    node = await real_world.start("n", tls=replace(authority.issue("n"), revoked=str(revoked)))
    client = real_world.make("c", role=PeerRole.CLIENT, tls=authority.issue("c"))
    client.transport.dial(*node.address)
    await real_world.linked(client, node)
    connection = getattr(node.transport._links["c"], revoked_one)
    connection.certificate = replace(connection.certificate, fingerprint="ab" * 32)

    assert node.transport.reload_certificates() == ["c"]


@pytest.mark.parametrize("line", ["nothing", "ab" * 31, "sha256 Fingerprint="])
async def test_a_list_that_cannot_be_read_is_named_and_changes_nothing(
    real_world: World, authority: Authority, tmp_path: Path, line: str
) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("ab" * 32)
    node = await real_world.start("n", tls=replace(authority.issue("n"), revoked=str(revoked)))
    revoked.write_text(line + "\n")
    with pytest.raises(OSError, match=r"TLS cannot use '.*revoked': line 1, of \d+ char.* is no finger") as caught:
        node.transport.reload_certificates()
    assert line[:7] not in str(caught.value)


async def test_after_a_reload_certificates_of_the_old_authority_count_no_more(
    real_world: World, authority: Authority, tmp_path: Path
) -> None:
    node = await real_world.start("n", tls=authority.issue("n"))
    old = authority.issue("old")
    Authority(tmp_path, "authority").issue("n")
    node.transport.reload_certificates()

    late = real_world.make("old", tls=old)
    late.transport.dial(*node.address)

    assert "CERTIFICATE_VERIFY_FAILED" in await refusal(real_world, node)
    assert node.recorder.only("up") == []


async def test_a_failed_reload_names_the_file_and_changes_nothing(real_world: World, authority: Authority) -> None:
    tls = authority.issue("a")
    a, b = await pair(real_world, tls, authority.issue("b"))
    authority.spoil(tls)

    with pytest.raises(OSError, match=r"TLS cannot use '.*a\.crt' with key"):
        a.transport.reload_certificates()

    await real_world.linked(a, b)


async def test_without_tls_there_is_nothing_to_reload(real_world: World) -> None:
    a = await real_world.start("a")
    with pytest.raises(TransportError, match="without tls="):
        a.transport.reload_certificates()


async def test_a_certificate_that_is_not_there_is_named_at_once(real_world: World, authority: Authority) -> None:
    tls = TlsConfig("/nowhere/x.crt", "/nowhere/x.key", str(authority.path))
    with pytest.raises(OSError, match=r"TLS cannot use '/nowhere/x\.crt'"):
        real_world.make("x", tls=tls)


async def test_listening_beyond_loopback_is_allowed_with_tls(real_world: World, authority: Authority) -> None:
    a = real_world.make("a", tls=authority.issue("a"))
    assert (await a.transport.listen("0.0.0.0", 0))[1] > 0


class Quiet(asyncio.Protocol):
    """Connects and says nothing."""

    def __init__(self) -> None:
        self.is_lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Talker(Quiet):
    """Connects, says one thing, and listens."""

    def __init__(self, words: bytes) -> None:
        super().__init__()
        self.words = words
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self.words)

    def data_received(self, data: bytes) -> None:
        self.heard += data


async def test_somebody_who_connects_and_says_nothing_is_dropped_in_time(
    real_world: World, authority: Authority
) -> None:
    patient = TransportConfig(handshake_timeout_s=0.2)
    node = await real_world.start("n", tls=authority.issue("n"), config=patient)
    quiet = Quiet()

    await RealNetwork().connect(lambda: quiet, *node.address)
    await real_world.until(lambda: quiet.is_lost)


async def test_one_handshake_too_many_ends_the_oldest_one(real_world: World, authority: Authority) -> None:
    node = await real_world.start("n", tls=authority.issue("n"), config=TransportConfig(handshakes_max=2))
    silent = [Quiet() for _ in range(3)]
    for each in silent:
        await RealNetwork().connect(lambda each=each: each, *node.address)  # type: ignore[misc]

    await real_world.until(lambda: silent[0].is_lost)
    assert not silent[2].is_lost

    other = await real_world.start("b", tls=authority.issue("b"))
    introduce_one(other, node)
    await real_world.until(lambda: bool(other.recorder.up))


def introduce_one(dialler: Node, node: Node) -> None:
    dialler.transport.add_peer("n", *node.address)
