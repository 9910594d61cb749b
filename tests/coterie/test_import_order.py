"""The working directory is the last on the import path: what lies there does not replace a library's module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import coterie
from coterie.import_order import (
    child_environment,
    import_working_directory_last,
    leave_working_directory,
    module_command,
)

ROOT = str(Path(coterie.__file__).resolve().parent.parent)
HOSTILE = "import os\nos.write(2, b'HOSTILE ' + __name__.encode())\nraise SystemExit(9)\n"
SHOP = """
import colorsys  # which nothing has imported before
from coterie import KeyValue, Topology
from shop_names import NODES
topology = Topology("shop", NODES)
topology.raft("store", machine=KeyValue)
"""
LIBRARY_MODULES = ("msgpack", "random", "structlog", "uvloop", "logging", "asyncio", "multiprocessing", "colorsys")
OPTIONAL_MODULES = ("msvcrt", "_winapi")
IMPORTED_BEFORE_US = ("coterie", "typing", "__future__")
"""Of these `python -m coterie` takes what the working directory has: they are imported before its first line."""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory with a topology, and with modules that are named like those of libraries."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "shop_names.py").write_text('NODES = ["n1"]\n')
    for name in LIBRARY_MODULES:
        (tmp_path / f"{name}.py").write_text(HOSTILE)
    return tmp_path


def add_hostile(directory: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (directory / f"{name}.py").write_text(HOSTILE)


def ended(command: list[str], directory: Path) -> tuple[int, str, str]:
    """Run a command in a directory; return its exit code, output and errors."""
    done = subprocess.run(
        command, cwd=directory, env=child_environment(), capture_output=True, text=True, timeout=100, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The working directory, which is on the import path three times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), "elsewhere", str(tmp_path / ".")])
    return str(tmp_path.resolve())


def test_the_working_directory_is_moved_to_the_end(here: str) -> None:
    import_working_directory_last()
    import_working_directory_last()

    assert sys.path == ["elsewhere", here]


def test_the_working_directory_is_left(here: str) -> None:
    leave_working_directory()

    assert sys.path == ["elsewhere"]


def test_a_checkout_that_is_the_working_directory_stays_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", "elsewhere"])

    leave_working_directory()

    assert sys.path == ["elsewhere", ROOT]


def test_a_child_gets_the_coterie_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["elsewhere", ROOT])
    monkeypatch.setenv("PYTHONPATH", "mine")

    assert child_environment()["PYTHONPATH"] == f"{ROOT}{os.pathsep}mine"
    assert child_environment({"PYTHONPATH": ""})["PYTHONPATH"] == ROOT
    assert child_environment({"SHOP": "1"})["SHOP"] == "1"


def test_an_installed_coterie_needs_no_path_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", ["elsewhere"])
    assert "PYTHONPATH" not in child_environment()

    installed = os.path.join(os.sep, "usr", "site-packages")
    monkeypatch.setattr("coterie.import_order.__file__", os.path.join(installed, "coterie", "import_order.py"))
    monkeypatch.setattr(sys, "path", [installed])
    assert "PYTHONPATH" not in child_environment()


def test_a_command_does_not_import_from_the_working_directory_but_its_topology(shop: Path) -> None:
    add_hostile(shop, OPTIONAL_MODULES)

    code, output, errors = ended([sys.executable, "-m", "coterie", "topology", "shop:topology"], shop)

    assert (code, errors) == (0, "")
    assert output.startswith("shop (n1)\n")


def test_a_child_process_imports_nothing_at_all_from_there_but_its_topology(shop: Path) -> None:
    add_hostile(shop, IMPORTED_BEFORE_US)

    code, output, errors = ended(module_command("coterie", "topology", "shop:topology"), shop)

    assert (code, errors) == (0, "")
    assert output.startswith("shop (n1)\n")


def test_the_hostile_modules_would_be_seen(shop: Path) -> None:
    code, _, errors = ended([sys.executable, "-m", "random"], shop)

    assert (code, errors) == (9, "HOSTILE __main__")


def test_a_topology_that_a_library_hides_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text(SHOP)
    code, _, errors = ended([sys.executable, "-m", "coterie", "topology", "colorsys:topology"], tmp_path)

    assert code == 2
    assert "module 'colorsys' has no 'topology'; it is " in errors
    assert f"what is installed comes before {str(tmp_path / 'colorsys.py')!r}: rename that" in errors


@pytest.mark.slow
def test_the_workers_of_the_simulator_do_not_import_from_the_working_directory(shop: Path) -> None:
    command = [sys.executable, "-m", "coterie", "sim", "raft", "--seeds", "2", "--jobs", "2"]
    code, output, errors = ended([*command, "--nodes", "3"], shop)

    assert ("HOSTILE" in errors, "2 seeds" in output) == (False, True)
    assert code in (0, 2)  # 2: two seeds are too few for all faults to fire


@pytest.mark.slow
def test_the_nodes_of_up_do_not_import_from_the_working_directory(shop: Path) -> None:
    command = [sys.executable, "-m", "coterie", "up", "shop:topology", "--port", "0"]
    with subprocess.Popen(command, cwd=shop, env=child_environment(), stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        try:
            assert " is up at " in up.stdout.readline()
        finally:
            up.terminate()
        assert up.wait(timeout=60) == 0
