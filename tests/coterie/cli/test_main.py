from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coterie import cli
from coterie.cli import main, make_parser
from coterie.errors import CoterieError


@pytest.fixture(autouse=True)
def _same_log_level() -> Iterator[None]:
    logger = logging.getLogger("coterie")
    level = logger.level
    yield
    logger.setLevel(level)


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the command line have one command, `fail`, which raises."""

    def fail(args: argparse.Namespace) -> int:
        raise error

    parser = argparse.ArgumentParser()
    parser.add_argument("--log-level", default="warning")
    parser.set_defaults(run=fail)
    monkeypatch.setattr(cli, "make_parser", lambda: parser)


@pytest.mark.parametrize("error", [CoterieError("no\n  way"), ValueError("no way"), OSError("no way")])
def test_error_is_one_line_on_stderr(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, error)

    code = main([])

    assert code == 1
    assert capsys.readouterr().err == "coterie: no way\n"


def test_interrupted_command_ends_quietly_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyboardInterrupt())

    code = main([])

    assert code == 130
    assert capsys.readouterr().err == ""


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyError("bug"))

    with pytest.raises(KeyError):
        main([])


@pytest.mark.parametrize("command", ["demo", "run", "status", "kv", "sim"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])

    assert exit_info.value.code == 0
    assert "usage: coterie " + command in capsys.readouterr().out


def test_log_level_is_taken_before_and_after_the_command() -> None:
    parser = make_parser()

    before = parser.parse_args(["--log-level", "info", "demo"])
    after = parser.parse_args(["demo", "--log-level", "debug"])
    neither = parser.parse_args(["demo"])

    assert [args.log_level for args in (before, after, neither)] == ["info", "debug", "warning"]


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["run"], ["demo", "--nodes", "4"], ["kv"]])
def test_wrong_usage_has_exit_code_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)

    assert exit_info.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_demo_names_an_input_directory_that_does_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["demo", "--input", "/nowhere/at/all"])

    assert code == 1
    assert capsys.readouterr().err == "coterie: input directory '/nowhere/at/all' does not exist\n"


def test_module_runs_as_a_program() -> None:
    ended = subprocess.run([sys.executable, "-m", "coterie", "--help"], capture_output=True, text=True, check=True)

    assert ended.stdout.startswith("usage: coterie")
