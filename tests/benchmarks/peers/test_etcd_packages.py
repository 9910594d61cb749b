"""What is missing for etcd is named with the Debian packages that bring it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.peers.etcd.etcd_packages import INSTALL, etcd_missing


def has_programs(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name in programs else None)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    has_programs(monkeypatch, "etcd")

    assert etcd_missing() == f"no program 'go' ({INSTALL})"


def test_missing_sources_of_the_client_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    has_programs(monkeypatch, "etcd", "go")

    missing = etcd_missing(str(tmp_path))
    assert missing is not None
    assert "no Go package 'go.etcd.io/etcd/clientv3'" in missing
    assert INSTALL in missing
    assert "\n" not in missing


def test_nothing_is_missing_where_all_three_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    has_programs(monkeypatch, "etcd", "go")
    (tmp_path / "src" / "go.etcd.io" / "etcd" / "clientv3").mkdir(parents=True)

    assert etcd_missing(str(tmp_path)) is None
