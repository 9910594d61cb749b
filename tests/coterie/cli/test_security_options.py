"""Keys and certificates on the command line: what does not fit is named before anything is dialled."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import queue
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie import Address, ClientKey, KeyValue, Topology
from coterie.actors.groups.group_messages import ReportCode, ReportStatus
from coterie.actors.inspection import ReportActors
from coterie.actors.node_report import NODE_REPORT_PATH, ReportNode
from coterie.cli import cluster_connection, main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.security_options import SecurityOptions, add_node_security, node_options, of_node, security_of
from coterie.errors import NodeUnreachable
from coterie.runtime.transport.handshake.shared_key import SharedKey
from tests.runtime.transport.certificate_authority import CLIENT, Authority

KEY = b"0123456789abcdef"


def test_a_key_file_that_is_missing_or_too_short_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"guess me")

    assert main(["status", "--connect", "127.0.0.1:1", "--key-file", str(tmp_path / "gone")]) == 2
    assert main(["status", "--connect", "127.0.0.1:1", "--key-file", str(short)]) == 2

    error = capsys.readouterr().err
    assert f"cannot read --key-file {str(tmp_path / 'gone')!r}: No such file or directory" in error
    assert "short: a shared key of 8 bytes can be guessed: at least 16" in error
    assert "guess me" not in error


def test_certificates_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--connect", "127.0.0.1:1", "--tls-key", "k.pem"]) == 2
    assert "--tls-certificate, --tls-key and --tls-authority go together" in capsys.readouterr().err


async def test_client_with_the_key_is_accepted_and_one_without_it_is_told_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are told at once: the time limit is never reached."""
    monkeypatch.setattr(cluster_connection, "CONNECT_TIMEOUT_S", 1e6)
    topology = Topology("kept", nodes=["n1"])
    topology.raft("store", machine=KeyValue)
    async with topology.start(node="n1", auth=SharedKey(KEY)) as node:
        async with ClusterConnection((node.address,), security=SecurityOptions(SharedKey(KEY))).client() as client:
            await client.key_value("store").put(b"k", b"v")
        with pytest.raises(
            NodeUnreachable, match=f"{node.address}: wrong_key: .*; a client uses --key-file, .*--key-of"
        ):
            async with ClusterConnection((node.address,), security=SecurityOptions(SharedKey(KEY[::-1]))).client():
                raise AssertionError("it must not be let in")
        with pytest.raises(NodeUnreachable, match=f"{node.address}: key_required: .*; a client uses --key-file"):
            async with ClusterConnection((node.address,)).client():
                raise AssertionError("it must not be let in")


async def test_a_client_without_tls_and_a_cluster_in_tls_are_told_apart_and_the_reverse(tmp_path: Path) -> None:
    authority, topology = Authority(tmp_path), Topology("kept", nodes=["n1"])
    topology.raft("store", machine=KeyValue)
    nodes_own, clients = authority.issue("n1"), authority.issue("billing", usages=CLIENT)
    for node_tls, client_tls, text in (
        (nodes_own, None, "the end that was dialled asks for TLS, and the one that dialled speaks none; give tls="),
        (None, clients, "the end that dialled asks for TLS, and the one that was dialled speaks none; give tls="),
    ):
        async with topology.start(node="n1", tls=node_tls) as node:
            connection = ClusterConnection((node.address,), security=SecurityOptions(tls=client_tls))
            with pytest.raises(NodeUnreachable, match=f"this client is refused: .*{re.escape(text)}"):
                async with connection.client():
                    raise AssertionError("it must not be let in")


def test_keys_of_clients_are_read_by_name_and_what_does_not_fit_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nodes", "billing", "same"):
        (tmp_path / name).write_bytes((name * 16).encode() if name != "same" else b"nodes" * 16)
    nodes, billing, same = (str(tmp_path / name) for name in ("nodes", "billing", "same"))
    found = {}
    for case in ([f"billing={billing}"], ["billing"], [f"billing={same}"], [f"a+b={billing}"], [f"x={tmp_path}/gone"]):
        parser = argparse.ArgumentParser()
        add_node_security(parser)
        options = [word for one in case for word in ("--client-key", one)]
        try:
            found[case[0]] = str(security_of(parser.parse_args(["--key-file", nodes, *options])).node_auth)
        except (ValueError, OSError) as error:
            found[case[0]] = str(error)
    texts = list(found.values())
    assert "ClientKey(name='billing')" in texts[0]
    assert "--client-key 'billing': write NAME=FILE" in texts[1]
    assert "the key of client 'billing' is also that of the nodes" in texts[2]
    assert "cannot be named 'a+b'" in texts[3]
    assert "cannot read --client-key" in texts[4]
    assert not any("billingbilling" in text or "nodesnodes" in text for text in texts)


def test_a_key_of_a_client_needs_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--connect", "127.0.0.1:1", "--key-of", "billing"]) == 2
    assert "--key-of goes with --key-file" in capsys.readouterr().err


def test_options_for_all_nodes_are_passed_on_to_each() -> None:
    parser = argparse.ArgumentParser()
    add_node_security(parser)
    given = ["--key-file", "k", "--also-key", "o", "--client-key", "a=b", "--tls-certificate", "{node}.crt"]
    args = parser.parse_args([*given, "--tls-key", "{node}.key", "--tls-authority", "ca.pem"])

    assert node_options(of_node(args, "n2")) == [
        *["--key-file", "k", "--also-key", "o", "--client-key", "a=b", "--tls-certificate", "n2.crt"],
        *["--tls-key", "n2.key", "--tls-authority", "ca.pem"],
    ]


async def test_operators_read_reports_and_other_clients_do_not(tmp_path: Path) -> None:
    """With keys; where nobody is asked for one, every client could call itself a node, and nothing is kept from it."""
    topology = Topology("kept", nodes=["n1"], operators=["ops"])
    topology.raft("store", machine=KeyValue)
    ops, billing = ClientKey("ops", KEY[1:] + b"o"), ClientKey("billing", KEY[1:] + b"b")
    async with topology.start(node="n1", auth=SharedKey(KEY, clients=(ops, billing))) as node:
        for auth, may in ((ops, True), (SharedKey(KEY), True), (billing, False)):
            async with ClusterConnection((node.address,), security=SecurityOptions(auth)).client() as client:
                await client.key_value("store").put(b"k", b"v")
                asked = [
                    client.system.at(Address("n1", path)).ask(question)
                    for path, question in (
                        (NODE_REPORT_PATH, ReportNode()),
                        (NODE_REPORT_PATH, ReportActors("", "depth", 1)),
                        ("store", ReportStatus()),
                        ("store", ReportCode()),
                    )
                ]
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert [not isinstance(answer, Exception) for answer in answers] == [may] * 4
                texts = {str(answer) for answer in answers if isinstance(answer, Exception)}
                assert all("operator" in text for text in texts), texts


def test_a_key_may_be_given_once_and_further_ones_of_nodes_by_their_own_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("new", "old"):
        (tmp_path / name).write_bytes(name.encode() * 16)
    parser = argparse.ArgumentParser()
    add_node_security(parser)
    new, old = str(tmp_path / "new"), str(tmp_path / "old")
    with pytest.raises(SystemExit):
        parser.parse_args(["--key-file", new, "--key-file", old])
    assert "--key-file is given twice (nodes accept further keys with --also-key)" in capsys.readouterr().err
    auth = security_of(parser.parse_args(["--key-file", new, "--also-key", old])).node_auth
    assert auth == SharedKey(b"new" * 16, also=(b"old" * 16,))


@pytest.mark.parametrize("kind", ["fifo", "device", "large"])
def test_what_is_no_key_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "key")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "large":
        Path(path).write_bytes(bytes(100_000))
    else:
        path = "/dev/zero"
    parser = argparse.ArgumentParser()
    add_node_security(parser)
    with pytest.raises(ValueError, match=f"--key-file {path}: it "):
        security_of(parser.parse_args(["--key-file", path]))


def test_a_client_that_is_no_operator_is_told_so_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    topology = Topology("kept", nodes=["n1"], operators=["ops"])
    topology.raft("store", machine=KeyValue)
    ops, billing = ClientKey("ops", KEY[1:] + b"o"), ClientKey("billing", KEY[1:] + b"b")
    for name, key in (("ops", ops), ("billing", billing)):
        (tmp_path / name).write_bytes(key.key)
        (tmp_path / name).chmod(0o600)
    with running(topology, SharedKey(KEY, clients=(ops, billing))) as address:
        for words in ("status", "top", "actors", "waits", "pools", "members", "raft versions store", "raft activate x"):
            given = ["--connect", address, "--key-file", str(tmp_path / "billing"), "--key-of", "billing"]
            code = main([*words.split(), *given])
            captured = capsys.readouterr()
            assert (code, captured.out) == (1, ""), words
            assert "client 'billing' is no operator of this cluster" in captured.err, words
        given = ["--connect", address, "--key-file", str(tmp_path / "ops"), "--key-of", "ops"]
        assert main(["raft", "activate", "nowhere", *given]) == 3
        assert "there is no group 'nowhere': the nodes run store" in capsys.readouterr().err


@contextlib.contextmanager
def running(topology: Topology, auth: SharedKey) -> Iterator[str]:
    """Run node n1 in a thread: commands need the main thread for signals. Yields its address."""
    addresses: queue.Queue[str] = queue.Queue()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def run() -> None:
        async with topology.start(node="n1", auth=auth) as node:
            addresses.put(node.address)
            await stop.wait()

    def run_node() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(run())

    thread = threading.Thread(target=run_node)
    thread.start()
    yield addresses.get(timeout=20)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
