"""Raft beside etcd: a run of tiny size has all systems; without etcd one line says what to install."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.peers.etcd.etcd_packages import INSTALL, etcd_missing
from benchmarks.raft.beside import failover_beside_etcd, raft_beside_etcd
from benchmarks.raft.beside.raft_beside_etcd import _main

needs_etcd = pytest.mark.skipif(etcd_missing() is not None, reason=etcd_missing() or "")
NAMES = ("raft_beside_etcd", "failover_beside_etcd")


@pytest.mark.parametrize("name", NAMES)
def test_without_etcd_one_line_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (raft_beside_etcd, failover_beside_etcd):
        monkeypatch.setattr(module, "etcd_missing", lambda: f"no program 'etcd' ({INSTALL})")

    status = main([name, "--quick"])

    printed = capsys.readouterr()
    assert status == 0
    assert printed.out == ""
    assert printed.err.splitlines()[1:] == [f"{name} is skipped: no program 'etcd' ({INSTALL})"]


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--clients", "16", "0"], ["--operations", "delete"]])
def test_a_mistake_in_the_options_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        _main(arguments)

    assert raised.value.code == 2
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.slow
@needs_etcd
def test_a_tiny_run_measures_all_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"

    tiny = ["--rounds", "1", "--seconds", "0.2", "--clients", "2", "--sizes", "10", "--json", str(file)]
    status = _main(tiny)

    found = {(one["benchmark"], one["system"]): one["value"] for one in json.loads(file.read_text(encoding="utf-8"))}
    assert status == 0
    assert list(found) == [
        *(("raft_beside_etcd/put/10B/2", system) for system in ("floor", "coterie", "etcd")),
        *(("raft_beside_etcd/get/10B/2", system) for system in ("coterie", "etcd")),
    ]
    assert all(value > 0 for value in found.values())
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.slow
@needs_etcd
def test_a_failover_is_measured_on_all_systems(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["failover_beside_etcd", "--quick"])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert [line.partition("  ")[0] for line in printed.out.splitlines()] == ["failover_beside_etcd"] * 3
