"""Whatever a module of the user does when it is loaded is told with its file and line, and the class of the error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.module_loading import ModuleFailed, import_module, naming_user_lines

NAME = "module_of_loading_tests"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(NAME)]:
        del sys.modules[name]


UNTELLABLE = """
class Untellable(Exception):
    def __str__(self):
        raise RuntimeError

raise Untellable
"""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("\nx = 1 / 0", f"{NAME}.py, line 2: ZeroDivisionError: division by zero"),
        ("\n\nx = (", f"{NAME}.py, line 3: SyntaxError: '(' was never closed"),
        ("import module_that_is_nowhere", f"{NAME}.py, line 1: ModuleNotFoundError: No module named 'module_that_is"),
        ("from json import nothing_like_it", f"{NAME}.py, line 1: ImportError: cannot import name 'nothing_like_it'"),
        ("import os\nos.nothing", f"{NAME}.py, line 2: AttributeError: module 'os' has no attribute 'nothing'"),
        (
            "import sys\nsys.exit(3)",
            f"{NAME}.py, line 2: SystemExit: 3: a module that declares something must not exit",
        ),
        ("import asyncio\nraise asyncio.CancelledError", f"{NAME}.py, line 2: CancelledError"),
        ("import json\njson.loads('{')", f"{NAME}.py, line 2: JSONDecodeError: Expecting property name"),
        ("from coterie import Topology\nTopology('c', nodes=[]).validate()", f"{NAME}.py, line 2: TopologyError: "),
        (UNTELLABLE, f"{NAME}.py, line 6: Untellable: (its text cannot be had: RuntimeError)"),
    ],
)
def test_what_a_module_raises_is_told_with_the_users_last_line(folder: Path, source: str, told: str) -> None:
    (folder / f"{NAME}.py").write_text(source)

    with pytest.raises(ModuleFailed) as failed:
        import_module(NAME, f"{NAME}:topology")

    assert str(failed.value).startswith(f"'{NAME}:topology' cannot be loaded: {told}")
    assert failed.value.__cause__ is not None


def test_the_line_is_that_of_the_module_inside_that_is_broken(folder: Path) -> None:
    (folder / f"{NAME}.py").write_text(f"import {NAME}_inside")
    (folder / f"{NAME}_inside.py").write_text("\n\nx = = 1")

    with pytest.raises(ModuleFailed, match=rf"{NAME}_inside\.py, line 3: SyntaxError: invalid syntax"):
        import_module(NAME, "x")


def test_a_module_that_does_not_exist_is_missing_and_one_inside_that_does_not_is_not(folder: Path) -> None:
    (folder / f"{NAME}.py").write_text("import module_that_is_nowhere")

    with pytest.raises(ModuleFailed) as missing:
        import_module(f"{NAME}_of_nobody.topology", "there")
    with pytest.raises(ModuleFailed) as broken:
        import_module(NAME, "here")

    assert (
        str(missing.value)
        == f"cannot import '{NAME}_of_nobody.topology' for 'there': No module named '{NAME}_of_nobody'"
    )
    assert (missing.value.is_missing, broken.value.is_missing) == (True, False)


def test_ctrl_c_stays_what_it_is(folder: Path) -> None:
    (folder / f"{NAME}.py").write_text("raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        import_module(NAME, "x")


def test_an_error_without_a_line_of_the_user_is_told_without_one() -> None:
    with pytest.raises(ModuleFailed) as failed, naming_user_lines("x"):
        compile("(", "<string>", "exec", dont_inherit=True)

    assert "'x' cannot be loaded: " in str(failed.value)


def test_what_a_module_prints_is_no_output_of_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / f"{NAME}.py").write_text("print('hello from the module')")

    import_module(NAME, "x")

    assert capsys.readouterr() == ("", "hello from the module\n")
