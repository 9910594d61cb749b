"""A topology that cannot be loaded: one line with file and line, everything with `--traceback`, 130 after Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.cli import main

NAME = "topology_of_argument_tests"
DECLARED = """
from coterie import KeyValue, Topology

topology = Topology("shop", nodes=["n1"])
topology.raft("store", machine=KeyValue)

def inner():
    raise LookupError("no shelf")

def failing():
    return inner()

def leaving():
    raise SystemExit

def other():
    return 7
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / f"{NAME}.py").write_text(DECLARED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop(NAME, None)


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("failing", f"'{NAME}:failing' cannot be loaded: {NAME}.py, line 8: LookupError: no shelf"),
        ("leaving", f"'{NAME}:leaving' cannot be loaded: {NAME}.py, line 14: SystemExit: a module"),
        ("other", f"'{NAME}:other' is not a Topology: other() returned what is of type int"),
        (
            "topologie",
            f"'{NAME}:topologie' is not a Topology: module '{NAME}' has no 'topologie': its topologies",
        ),
    ],
)
def test_what_is_wrong_is_one_line(attribute: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", f"{NAME}:{attribute}"]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"coterie: {told}")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        ["topology"],
        ["run", "--node", "n1", "--listen", "127.0.0.1:0"],
        ["up"],
        ["security", "check"],
        ["schema", "dump"],
        ["schema", "check", "--against", "x"],
    ],
)
def test_each_command_with_a_topology_shows_the_whole_traceback_if_that_is_asked_for(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, f"{NAME}:failing", "--traceback"]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "in inner" in line] != []
    assert [line for line in lines if "in failing" in line] != []
    assert lines[-1].startswith(f"coterie: '{NAME}:failing' cannot be loaded: ")


def test_as_json_the_traceback_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", f"{NAME}:failing", "--traceback", "-o", "json"]) == 2

    printed = capsys.readouterr()
    (error,) = json.loads(printed.out)["errors"]
    assert error["code"] == "wrong_usage"
    assert f"{NAME}.py, line 8: LookupError" in error["message"]
    assert "in inner" in printed.err


@pytest.mark.parametrize("written", [f"{NAME}.py:topology", f"./{NAME}.py:topology", f"{NAME}.py"])
def test_for_a_file_in_place_of_a_module_the_module_is_told(written: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", written]) == 2

    assert capsys.readouterr().err == f"coterie: '{written}' names a file: write the module, {NAME}:topology\n"


def test_ctrl_c_while_a_module_is_imported_is_130_without_a_traceback(folder: Path) -> None:
    (folder / "slow_module.py").write_text("print('begun', flush=True)\nwhile True:\n    pass\n")
    command = [sys.executable, "-m", "coterie", "topology", "slow_module:topology"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()  # it would go on for ever

    assert (process.returncode, errors) == (130, "")


def test_a_topology_is_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topology", f"{NAME}:topology", "-o", "json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert (found["cluster"], found["data"]["nodes"], found["data"]["operators"]) == ("shop", ["n1"], [])
    (part,) = found["data"]["parts"]
    assert (part["name"], part["kind"], part["nodes"]) == ("store", "raft", ["n1"])


def test_a_diagram_and_json_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["topology", f"{NAME}:topology", "--as", "dot", "-o", "json"])

    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
