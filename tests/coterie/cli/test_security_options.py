"""Keys and certificates on the command line: what does not fit is named before anything is dialled."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie import KeyValue, Topology
from coterie.cli import cluster_connection, main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.security_options import SecurityOptions
from coterie.errors import NodeUnreachable
from coterie.runtime.transport.handshake.shared_key import SharedKey

KEY = b"0123456789abcdef"


def test_a_key_file_that_is_missing_or_too_short_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"guess me")

    assert main(["status", "--connect", "127.0.0.1:1", "--key-file", str(tmp_path / "gone")]) == 1
    assert main(["status", "--connect", "127.0.0.1:1", "--key-file", str(short)]) == 1

    error = capsys.readouterr().err
    assert f"cannot read --key-file {str(tmp_path / 'gone')!r}: No such file or directory" in error
    assert "short: a shared key of 8 bytes can be guessed: at least 16" in error
    assert "guess me" not in error


def test_certificates_go_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--connect", "127.0.0.1:1", "--tls-key", "k.pem"]) == 1
    assert "--tls-certificate, --tls-key and --tls-authority go together" in capsys.readouterr().err


async def test_client_with_the_key_is_accepted_and_one_without_it_is_told_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topology = Topology("kept", nodes=["n1"])
    topology.raft("store", machine=KeyValue)
    async with topology.start(node="n1", auth=SharedKey(KEY)) as node:
        async with ClusterConnection((node.address,), security=SecurityOptions(SharedKey(KEY))).client() as client:
            await client.key_value("store").put(b"k", b"v")
        # The others are refused at once, and try again until then.
        monkeypatch.setattr(cluster_connection, "CONNECT_TIMEOUT_S", 1.0)
        with pytest.raises(NodeUnreachable, match="key"):
            async with ClusterConnection((node.address,), security=SecurityOptions(SharedKey(KEY[::-1]))).client():
                raise AssertionError("it must not be let in")
        with pytest.raises(NodeUnreachable, match="key"):
            async with ClusterConnection((node.address,)).client():
                raise AssertionError("it must not be let in")
