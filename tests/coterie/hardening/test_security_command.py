"""`coterie security check`: each weakness of a deployment is named, with what to do about it."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.cli import main
from coterie.runtime.hosts.tls_config import TlsConfig
from tests.runtime.transport.certificate_authority import CLIENT, Authority

TOPOLOGY = """
from coterie import Actor, Ask, KeyValue, Topology, message

@message(name="guarded.Ask")
class Question(Ask[int]):
    pass

class Front(Actor[Question]):
    def __init__(self, node):
        pass
    def receive(self, msg):
        return 1

topology = Topology("guarded", nodes=["n1", "n2"], operators=["ops"])
topology.raft("store", machine=KeyValue)
topology.actor("front", Front)
topology.actor("inner", Front, exported=False)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a topology and keys that are in order."""
    for above in (tmp_path, *tmp_path.parents):
        if os.stat(above).st_mode & 0o002 and not os.stat(above).st_mode & 0o1000:
            pytest.skip(f"{above} can be changed by everybody")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid)
    name = f"guarded_{secrets.token_hex(4)}"
    (tmp_path / f"{name}.py").write_text(TOPOLOGY, encoding="utf-8")
    (tmp_path / "name").write_text(name, encoding="utf-8")
    for key in ("nodes", "ops"):
        (tmp_path / f"{key}.key").write_bytes(random.Random(key).randbytes(32))
        (tmp_path / f"{key}.key").chmod(0o600)
    return tmp_path


def check(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str]]:
    name = (folder / "name").read_text(encoding="utf-8")
    code = main(["security", "check", f"{name}:topology", *options])
    captured = capsys.readouterr()
    return code, (captured.out + captured.err).splitlines()


def found(lines: list[str], level: str) -> list[str]:
    return [line for line in lines if line.startswith(level) and "this is root" not in line]


KEYED = ("--key-file", "nodes.key", "--client-key", "ops=ops.key")


def test_what_is_in_order_is_said_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = check(folder, capsys, *KEYED, "--data", "n1")

    assert code == 0
    assert not found(lines, "FAILURE")
    assert not found(lines, "WARNING")
    assert "ok       client 'ops' has a key, and operates the cluster" in lines
    assert "ok       no client reaches inner" in lines
    assert any(line.startswith("note     every client reaches store, front") for line in lines)


@pytest.mark.parametrize(
    ("options", "level", "text"),
    [
        (("--listen", "0.0.0.0:1"), "FAILURE", "every program that reaches it can act as a node"),
        ((), "WARNING", "every user and program of this machine can act as a node"),
        ((*KEYED, "--listen", "0.0.0.0:1"), "WARNING", "none from being read on the way"),
        (("--key-file", "nodes.key"), "WARNING", "no key is listed for 'ops'"),
        ((*KEYED, "--insecure"), "note", "--insecure has no effect"),
    ],
)
def test_exposure_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], level: str, text: str
) -> None:
    code, lines = check(folder, capsys, *options)
    assert any(text in line for line in found(lines, level)), lines
    assert code == (1 if level == "FAILURE" else 0)
    if level == "WARNING":
        assert check(folder, capsys, *options, "--strict")[0] == 1


@pytest.mark.parametrize(
    ("content", "mode", "level", "text"),
    [
        (None, 0o644, "FAILURE", "others can read or change it"),
        (None, 0o640, "WARNING", "its group can read or change it"),
        (b"x" * 20, 0o600, "WARNING", "20 bytes"),
        (b"correct horse battery staple, again", 0o600, "WARNING", "does not look random"),
        (b"\x00" * 32, 0o600, "WARNING", "does not look random"),
        (bytes(range(32)), 0o600, "WARNING", "does not look random"),
        ("a passphrase with an umlaut: ö\n".encode(), 0o600, "WARNING", "does not look random"),
        (random.Random(5).randbytes(32) + b"\n", 0o600, "note", "white space, which is part of the key"),
        (base64.b64encode(random.Random(5).randbytes(32)), 0o600, "ok", "44 bytes"),
        (random.Random(5).randbytes(32).hex().encode(), 0o600, "ok", "64 bytes"),
        (base64.b64encode(bytes(range(32))), 0o600, "WARNING", "does not look random"),
        (b"correcthorsebatterystapleagainandagainandagain", 0o600, "WARNING", "does not look random"),
        (b"0123456789abcdef" * 4, 0o600, "WARNING", "does not look random"),
    ],
)
def test_a_weak_or_open_key_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, mode: int, level: str, text: str
) -> None:
    if content is not None:
        (folder / "nodes.key").write_bytes(content)
    (folder / "nodes.key").chmod(mode)
    _, lines = check(folder, capsys, *KEYED)
    assert any("--key-file nodes.key" in line and text in line for line in found(lines, level)), lines


def test_open_data_and_code_that_others_can_change_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = folder / "n1"
    data.mkdir(mode=0o755)
    (data / "meta").write_text("x", encoding="utf-8")
    (data / "meta").chmod(0o644)
    code, lines = check(folder, capsys, *KEYED, "--data", "n1")
    assert any("n1: others can read or change it" in line for line in found(lines, "FAILURE")), lines
    assert any("others can read meta" in line for line in found(lines, "WARNING")), lines

    data.chmod(0o700)
    folder.chmod(0o777)
    code, lines = check(folder, capsys, *KEYED, "--data", "n1")
    assert code == 1
    assert any("others can replace modules that the node imports" in line for line in found(lines, "FAILURE")), lines
    folder.chmod(0o700)


def test_certificates_are_checked_as_another_node_would(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority = Authority(folder)
    for name in ("n1", "n2"):
        authority.issue(name, days_left=90)
    for key in folder.glob("*.key"):
        key.chmod(0o600)
    paths = ("--tls-certificate", "{node}.crt", "--tls-key", "{node}.key", "--tls-authority", str(authority.path))
    code, lines = check(folder, capsys, *paths)
    assert (code, found(lines, "WARNING"), found(lines, "FAILURE")) == (0, [], [])
    assert any("n2.crt: it expires in 90 days" in line or "n2.crt: it expires in 89" in line for line in lines), lines

    wrong: dict[str, Callable[[], TlsConfig]] = {
        "is issued to 'n1', and not to 'n2'": lambda: authority.issue("n1", file="n2"),
        "refuses it: unsuitable certificate purpose": lambda: authority.issue("n2", usages=CLIENT),
        "it makes a client, and no node": lambda: authority.issue("n2", usages=()),
        "refuses it: certificate has expired": lambda: authority.issue("n2", days_left=-1),
        "refuses it: ": lambda: Authority(folder, "another").issue("n2"),
        "n2.crt: it expires in": lambda: authority.issue("n2", days_left=5),
    }
    for text, spoil in wrong.items():
        spoil()
        code, lines = check(folder, capsys, *paths)
        bad = [*found(lines, "FAILURE"), *found(lines, "WARNING")]
        assert any(text in line for line in bad), (text, lines)


def test_wrong_input_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder, capsys, "--node", "n9") == (3, ["coterie: --node 'n9': the topology has n1, n2"])


def test_each_unusable_key_is_a_finding_and_the_rest_is_checked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "short.key").write_bytes(b"short")
    (folder / "short.key").chmod(0o600)
    (folder / "folder.key").mkdir()
    keys = ("--key-file", "gone.key", "--also-key", "short.key", "--also-key", "folder.key", "--also-key", "nodes.key")
    code, lines = check(folder, capsys, *keys, "--client-key", "ops=ops.key", "--client-key", "billing=lost.key")

    failures = found(lines, "FAILURE")
    assert (code, len(failures)) == (1, 4), lines
    for text in (
        "cannot read --key-file 'gone.key': No such file or directory",
        "--also-key short.key: a key of 5 bytes can be guessed",
        "--also-key folder.key: it is no regular file",
        "cannot read --client-key 'lost.key': No such file or directory",
    ):
        assert any(text in line for line in failures), (text, lines)
    assert "ok       --also-key nodes.key: 32 bytes" in lines
    assert "ok       --client-key ops ops.key: 32 bytes" in lines
    assert any("a key protects every link" in line for line in found(lines, "ok")), "the keys are given, and are missed"


@pytest.mark.parametrize("missing", ["n1.key", "n1.crt", "authority.pem"])
def test_an_unreadable_certificate_is_a_finding_and_the_rest_is_checked(
    folder: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    tls = Authority(folder).issue("n1", days_left=90)
    (folder / missing).unlink()
    paths = ("--tls-certificate", tls.certificate, "--tls-key", tls.key, "--tls-authority", tls.authority)
    code, lines = check(folder, capsys, "--node", "n1", *paths)

    assert code == 1
    assert any("TLS cannot use" in line and missing in line for line in found(lines, "FAILURE")), lines
    assert any("every client reaches" in line for line in found(lines, "note"))


def test_findings_are_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, (envelope,) = check(folder, capsys, "--insecure", "--listen", "0.0.0.0:1", "--strict", "-o", "json")

    read = json.loads(envelope)
    levels = [finding["level"] for finding in read["data"]["findings"]]
    assert (code, read["verdict"]) == (1, "failed")
    assert read["data"]["failures"] == levels.count("failure")
    assert read["data"]["warnings"] == levels.count("warning") > 0
    assert len(read["errors"]) == levels.count("failure") + levels.count("warning")
