"""The completion scripts: the shells that are here take them and complete commands, options and values."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from coterie.cli import main, make_parser
from coterie.cli.commands.completing.completion_scripts import SCRIPT_BY_SHELL
from coterie.cli.commands.completing.completion_words import command_words

WORDS = [
    (["st"], {"status"}),
    (["kv", "g"], {"get"}),
    (["kv", "get", "--st"], {"--store"}),
    (["status", "-o", ""], {"table", "json"}),
    (["status", "--output", "j"], {"json"}),
    (["--log-level", "debug", "raft", "act"], {"activate"}),
    (["completion", "f"], {"fish"}),
    (["sim", "raft-k"], {"raft-kv"}),
    (["sim", "raft-kv", "--profile", "flaky-n"], {"flaky-network"}),
    (["nemesis", "flaky-n"], {"flaky-network"}),
    (["run", "--data", "x"], set()),
    (["run", "shop:topology", "--bootstrap", ""], {"join", "new"}),
]


def script(shell: str) -> str:
    return SCRIPT_BY_SHELL[shell](list(command_words(make_parser())))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(("words", "completed"), WORDS)
def test_bash_completes_what_the_parsers_take(words: list[str], completed: set[str], tmp_path: Path) -> None:
    (tmp_path / "coterie.bash").write_text(script("bash"))
    program = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _coterie; printf "%s\\n" "${COMPREPLY[@]}"'

    ended = subprocess.run(
        ["bash", "--norc", "-euc", program, tmp_path / "coterie.bash", "coterie", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert set(ended.stdout.split()) == completed


@pytest.mark.parametrize(("shell", "flag"), [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")])
def test_the_shell_takes_the_script(shell: str, flag: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script(shell))

    ended = subprocess.run([shell, flag, tmp_path / "script"], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("shell", sorted(SCRIPT_BY_SHELL))
def test_the_command_prints_a_script_with_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    printed = capsys.readouterr().out
    paths = [one.path for one in command_words(make_parser())]
    assert len(paths) > 25
    assert [path for path in paths if path not in printed] == []


def test_a_shell_without_a_script_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["completion", "csh"])

    assert ended.value.code == 2
    assert "'csh'" in capsys.readouterr().err
