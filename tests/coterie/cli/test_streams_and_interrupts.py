"""Every command with standard streams that are closed, full, broken or files, and with Ctrl-C at any moment.

A moment is a number of calls of Python functions: the same in each run, however slow the machine is. By default a few
moments of a few commands are tried; COTERIE_MOMENTS=20 tries 20 of all commands, and takes a quarter of an hour.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

IS_THOROUGH = "COTERIE_MOMENTS" in os.environ
MOMENTS = int(os.environ.get("COTERIE_MOMENTS", "3"))
MARK = "COTERIE_TEST_MARK"
TIMEOUT_S = 90
ALARM_S = 4.0

SHOP = """
from coterie import KeyValue, Topology
topology = Topology("shop", nodes=["n1"])
topology.raft("store", machine=KeyValue)
"""

HARNESS = """
import os, signal, sys
limit, report, alarm_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
sys.argv = ["coterie", *sys.argv[4:]]
calls = 0

def tell(*_):
    sys.setprofile(None)
    with open(report, "w") as file:
        file.write(str(calls))
    if _:
        os.kill(os.getpid(), signal.SIGINT)

def count(frame, event, arg):
    global calls
    calls += event == "call"
    if calls == limit:
        tell(limit)

from coterie.__main__ import main

if alarm_s:
    signal.signal(signal.SIGALRM, tell)
    signal.setitimer(signal.ITIMER_REAL, alarm_s)
sys.setprofile(count)
code = main()
if not os.path.exists(report):
    tell()
sys.exit(code)
"""
"""Runs the command line; sends SIGINT to itself at call `limit` or after `alarm_s`; reports the number of calls."""


@dataclass(frozen=True)
class Node:
    """A node of the shop that runs: `folder` has its topology, `address` is where it listens."""

    folder: Path
    address: str


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop_of_streams.py").write_text(SHOP)
    command = [sys.executable, "-m", "coterie", "run", "shop_of_streams:topology", "--node", "n1", "--with-stdin"]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        up = process.stdout.readline()
        yield Node(folder, up.split(" is up at ")[1].split()[0])
        assert process.stdin is not None
        process.stdin.close()


TOPOLOGY = "shop_of_streams:topology"
CONNECT = "--connect ADDRESS"
QUICK = [
    "--help",
    "--version",
    "nonsense",
    f"topology {TOPOLOGY}",
    "topology nowhere:topology",
    f"schema dump {TOPOLOGY}",
    f"security check {TOPOLOGY}",
    f"status {CONNECT}",
    f"members {CONNECT}",
    f"pools {CONNECT}",
    f"top {CONNECT} --once",
    f"actors {CONNECT}",
    f"waits {CONNECT}",
    f"kv put k v {CONNECT}",
    f"kv scan {CONNECT}",
    f"raft versions store {CONNECT}",
    "sim raft --seeds 2",
    "sim --list",
    "nemesis nothing-of-this-name",
    "demo --input /nowhere/at/all",
]
LONG = [
    f"run {TOPOLOGY} --node n1 --listen 127.0.0.1:0",
    f"up {TOPOLOGY} --port 0 --data DATA",
    f"top {CONNECT}",
    f"members {CONNECT} --watch",
    "sim raft --seeds 100000 --jobs 2",
    "demo",
    "nemesis crashes --nodes 3 --seconds 30",
]
"""What does not end by itself, or not soon."""

FEW_QUICK = [command for command in QUICK if IS_THOROUGH or command.split()[0] in ("--help", "topology", "status")]
FEW_LONG = [command for command in LONG if IS_THOROUGH or command.split()[0] in ("up", "sim")]


def words_of(command: str, node: Node, tmp_path: Path) -> list[str]:
    return command.replace("ADDRESS", node.address).replace("DATA", str(tmp_path / "data")).split()


def environment(mark: str) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**given, MARK: mark, "PYTHONHASHSEED": "0"}


def left_running(mark: str) -> list[str]:
    """The processes that were started under `mark` and still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass  # it has ended, or is not ours
    return found


def assert_nothing_is_left(mark: str) -> None:
    """A node that was just started ends by itself once its standard input has ended."""
    give_up_s = time.monotonic() + 20
    while (left := left_running(mark)) and time.monotonic() < give_up_s:
        time.sleep(0.1)
    assert left == []


Opened = tuple[int | None, Callable[[], None] | None]
"""The descriptor for a stream (None: as it is), and what the child does before it begins."""


def broken(stream: int, tmp_path: Path, state: str) -> Opened:
    """Return a stream in a state."""
    match state:
        case "closed":
            return None, lambda: os.close(stream)
        case "file":
            path = tmp_path / f"stream-{stream}"
            path.touch()
            return os.open(path, os.O_RDWR), None
        case "full":
            return os.open("/dev/full", os.O_RDWR), None
        case _:
            reader, writer = os.pipe()
            os.close(writer if stream == 0 else reader)
            return (reader if stream == 0 else writer), None


@pytest.mark.parametrize("command", FEW_QUICK)
def test_a_command_with_broken_streams_has_its_exit_code(command: str, node: Node, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "coterie", *words_of(command, node, tmp_path)]
    mark = str(tmp_path)

    def run(stdin: int, stdout: int, stderr: int, before: Callable[[], None] | None) -> tuple[int, bytes, bytes]:
        done = subprocess.run(
            words,
            cwd=node.folder,
            env=environment(mark),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=before,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout or b"", done.stderr or b""

    code, output, errors = run(subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE, None)
    assert b"Traceback" not in errors
    wrong = []
    for stream in range(3):
        for state in ("closed", "file", "full", "broken"):
            opened, before = broken(stream, tmp_path, state)
            streams = [subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE]
            streams[stream] = streams[stream] if opened is None else opened
            seen, _, complaint = run(streams[0], streams[1], streams[2], before)
            if opened is not None:
                os.close(opened)
            lost = {"full": 1, "broken": 141}.get(state) if stream == 1 and output else None
            expected = code if lost is None else lost
            is_said = state != "full" or stream != 1 or not output or b"the output cannot be written" in complaint
            if seen != expected or b"Traceback" in complaint or not is_said:
                wrong.append((stream, state, seen, expected, complaint))

    assert wrong == []
    assert_nothing_is_left(mark)


def interrupted(
    command: str, node: Node, tmp_path: Path, limit: int, alarm_s: float = 0.0
) -> tuple[int, int | None, bytes]:
    """Run a command, with Ctrl-C at call `limit` or after `alarm_s`.

    Returns:
        The exit code, the number of calls until SIGINT or the end (None: it told none), and what is on stderr.
    """
    folder = tmp_path / f"{limit}-{time.monotonic_ns()}"
    folder.mkdir()
    report, mark = folder / "calls", str(folder)
    arguments = [str(limit), str(report), str(alarm_s), *words_of(command, node, folder)]
    done = subprocess.run(
        [sys.executable, "-P", "-c", HARNESS, *arguments],
        cwd=node.folder,
        env=environment(mark),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert_nothing_is_left(mark)
    calls = int(report.read_text()) if report.exists() else None
    return done.returncode, calls, done.stderr


@pytest.mark.parametrize("command", [*FEW_QUICK, *FEW_LONG])
def test_ctrl_c_at_any_moment_ends_a_command_with_130_and_nothing_else(
    command: str, node: Node, tmp_path: Path
) -> None:
    _, total, _ = interrupted(command, node, tmp_path, limit=0, alarm_s=ALARM_S if command in LONG else 0.0)
    total = total or 100_000  # the parser ends a command by SystemExit

    wrong = []
    for moment in range(MOMENTS):
        limit = 2 + total * moment // MOMENTS  # the first call is that of `main` itself
        code, calls, errors = interrupted(command, node, tmp_path, limit, alarm_s=30.0 if command in LONG else 0.0)
        was_interrupted = calls == limit
        if (was_interrupted and code != 130) or b"Traceback" in errors or b"never awaited" in errors:
            wrong.append((limit, total, code, errors.decode()))

    assert wrong == []


def test_a_process_that_ignores_ctrl_c_goes_on_ignoring_it(node: Node, tmp_path: Path) -> None:
    """A shell starts jobs in the background so."""
    ended = subprocess.run(
        [sys.executable, "-P", "-c", HARNESS, "2000", str(tmp_path / "calls"), "0", "topology", TOPOLOGY],
        cwd=node.folder,
        env={**environment("ignoring"), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        timeout=TIMEOUT_S,
        check=False,
    )

    assert ended.returncode == 0
    assert ended.stdout


def test_almost_nothing_is_imported_before_ctrl_c_is_handled() -> None:
    program = "import sys; before = set(sys.modules); import coterie.__main__; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {sys.path!r}; {program}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert {name for name in done.stdout.split() if name.startswith("coterie")} == {
        "coterie",
        "coterie.__main__",
        "coterie.interrupts",
    }
    assert not {"typing", "asyncio", "argparse", "logging"} & set(done.stdout.split())
