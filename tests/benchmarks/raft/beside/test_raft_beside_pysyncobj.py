"""Raft beside PySyncObj: a run of tiny size has all systems; without PySyncObj one line says how to install it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.peers.syncobj.pysyncobj_cluster import pysyncobj_missing
from benchmarks.raft.beside import failover_beside_pysyncobj, raft_beside_pysyncobj
from benchmarks.raft.beside.raft_beside_pysyncobj import _main

needs_pysyncobj = pytest.mark.skipif(pysyncobj_missing() is not None, reason=pysyncobj_missing() or "")
NAMES = ("raft_beside_pysyncobj", "failover_beside_pysyncobj")


@pytest.mark.parametrize("name", NAMES)
def test_without_pysyncobj_one_line_says_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    status = main([name, "--quick"])

    printed = capsys.readouterr()
    assert status == 0
    assert printed.out == ""
    assert printed.err.splitlines()[1:] == [f"{name} is skipped: no package 'pysyncobj' (pip install 'coterie[peers]')"]


@pytest.mark.parametrize("module", [raft_beside_pysyncobj, failover_beside_pysyncobj])
def test_the_benchmarks_say_that_pysyncobj_does_not_sync(module: object) -> None:
    assert "only coterie syncs" in (module.__doc__ or "")


def test_only_writes_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _main(["--operations", "get"])

    assert "--operations" in capsys.readouterr().err


@pytest.mark.slow
@needs_pysyncobj
def test_a_tiny_run_measures_all_systems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "results.json"

    status = _main(["--rounds", "1", "--seconds", "0.3", "--clients", "2", "--sizes", "10", "--json", str(file)])

    found = {(one["benchmark"], one["system"]): one["value"] for one in json.loads(file.read_text(encoding="utf-8"))}
    systems = ("floor", "coterie", "pysyncobj", "pysyncobj, unbatched")
    assert status == 0
    assert list(found) == [("raft_beside_pysyncobj/put/10B/2", system) for system in systems]
    assert all(value > 0 for value in found.values())
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.slow
@needs_pysyncobj
def test_a_failover_is_measured_on_all_systems(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["failover_beside_pysyncobj", "--quick"])

    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert [line.partition("  ")[0] for line in printed.out.splitlines()] == ["failover_beside_pysyncobj coterie"] + [
        f"failover_beside_pysyncobj {name}" for name in ("pysyncobj", "pysyncobj, 250 ms")
    ]
