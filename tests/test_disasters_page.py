"""The page on disasters: its commands are commands, and those for a lost quorum and for a backup do what it says."""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from coterie.cli import make_parser
from coterie.reserved_port import ReservedPort
from tests.test_docs import README, ROOT, commands, run, saved_programs, wait_for_success

PAGE = ROOT / "docs" / "disasters.md"
GROUPS = ("totals", "store")


def test_every_command_of_the_page_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = []
    for line in commands(PAGE):
        try:
            make_parser().parse_args(shlex.split(line.replace("$NODES", "127.0.0.1:7411")))
        except SystemExit:
            unknown.append(line)
    capsys.readouterr()

    assert unknown == []


class Walk:
    """Runs the commands of the page at free ports, in a folder with the program of the README."""

    def __init__(self, directory: Path, ports: list[int], rehearsal: int) -> None:
        saved_programs(README, directory)
        self._directory = directory
        self._ports = ports
        self._rehearsal = rehearsal

    def lines(self, page: Path, start: str, *words: str) -> list[list[str]]:
        """Return the commands of a page that begin so and have these words, with the free ports."""
        nodes = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        found = [line for line in commands(page) if line.startswith(start) and all(word in line for word in words)]
        for number, port in enumerate(self._ports, 1):
            found = [line.replace(f"127.0.0.1:741{number}", f"127.0.0.1:{port}") for line in found]
        found = [line.replace("127.0.0.1:7421", f"127.0.0.1:{self._rehearsal}") for line in found]
        return [shlex.split(line.replace("$NODES", nodes)) for line in found]

    def run(self, command: list[str], *, exit_code: int = 0) -> str:
        """Run a command of the page; return what it prints."""
        ended = run("-m", "coterie", *command, directory=self._directory)
        assert (ended.returncode, ended.stderr) == (exit_code, ""), command
        return ended.stdout

    @contextlib.contextmanager
    def nodes(self, *started: list[str]) -> Iterator[None]:
        """Run these nodes for as long as the block lasts."""
        with ExitStack() as stack:
            for command in started:
                whole = [sys.executable, "-m", "coterie", *command]
                quiet = subprocess.DEVNULL
                node = subprocess.Popen(whole, cwd=self._directory, stdout=quiet, stderr=quiet)
                stack.callback(node.wait)
                stack.callback(node.terminate)
            yield

    def until_answered(self, *words: str) -> None:
        """Ask n1 until the group answers."""
        at = ("--connect", f"127.0.0.1:{self._ports[0]}")
        wait_for_success("-m", "coterie", "kv", *words, *at, directory=self._directory)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_groups_of_the_readme_go_on_from_one_log_and_from_their_backups(tmp_path: Path) -> None:
    with ExitStack() as stack:
        *ports, rehearsal = [stack.enter_context(closing(ReservedPort())).number for _ in range(4)]
        walk = Walk(tmp_path, ports, rehearsal)
        with walk.nodes(*walk.lines(README, "run ")):
            walk.until_answered("put", "greeting", "hello")
            for command in walk.lines(PAGE, "backup "):
                walk.run(command)

        (look,) = walk.lines(PAGE, "raft recover", "data/n1")[:1]
        (accept,) = walk.lines(PAGE, "raft recover", "--accept-loss")
        for group in GROUPS:
            shown = walk.run([group if word == "totals" else word for word in look], exit_code=5)
            (token,) = re.findall(r"--accept-loss ([0-9a-f]{8})$", shown, re.MULTILINE)
            walk.run([{"totals": group, "TOKEN": token}.get(word, word) for word in accept])
        rehearsed, on_log, on_backup = walk.lines(PAGE, "run ", "--node n1")
        (joining,) = walk.lines(PAGE, "run ", "--node n2", "--bootstrap join")
        (add,) = walk.lines(PAGE, "raft add")
        with walk.nodes(on_log, joining):
            walk.until_answered("get", "greeting")
            for group in GROUPS:
                walk.run([group if word == "totals" else word for word in add])

        for command in walk.lines(PAGE, "restore "):
            walk.run(command)
        with walk.nodes(on_backup):
            walk.until_answered("get", "greeting")
        with walk.nodes(rehearsed):
            (look,), (get,) = walk.lines(PAGE, "status", "7421"), walk.lines(PAGE, "kv get", "7421")
            wait_for_success("-m", "coterie", *look, directory=tmp_path)
            assert walk.run(get) == "hello\n"
