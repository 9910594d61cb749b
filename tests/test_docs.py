"""The pages are true: their programs run, and the tests that they name exist."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from coterie.reserved_port import ReservedPort

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
README = ROOT / "README.md"
RUNNABLE = [ROOT / "docs" / name for name in ("embedding.md", "exploring.md", "simulation.md", "testing.md")]

PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# (\S+\.(?:py|ini))\n")
IMPORT = re.compile(r"^from (coterie(?:\.\w+)*) import (\w+(?:, *\w+)*)", re.MULTILINE)
NAMED_PATH = re.compile(
    r"`((?:actors|benchmarks|coterie|docs|examples|protocols|runtime|tests)/[\w./]*)`|\]\(([\w./]+\.md)\)"
)
NAMED_TEST = re.compile(r"`?(test_\w+\.py)(?:::(test_\w+))?`")


def programs(page: Path) -> list[str]:
    return PROGRAM.findall(page.read_text(encoding="utf-8"))


def run(*command: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(program, id=f"{page.stem}-{number}")
        for page in RUNNABLE
        for number, program in enumerate(programs(page), 1)
        if not FILE_NAME.match(program)
    ],
)
def test_a_program_of_a_page_runs(program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(program, encoding="utf-8")

    ended = run("program.py", directory=tmp_path)

    assert (ended.stderr, ended.stdout, ended.returncode) == ("", "", 0)


def test_the_files_of_the_page_on_testing_are_a_suite_that_passes(tmp_path: Path) -> None:
    for program in programs(ROOT / "docs" / "testing.md"):
        if name := FILE_NAME.match(program):
            (tmp_path / name[1]).write_text(program.partition("\n")[2], encoding="utf-8")

    ended = run("-m", "pytest", "-q", "-p", "no:cacheprovider", directory=tmp_path)

    assert re.search(r"^\d+ passed", ended.stdout, re.MULTILINE), ended.stdout
    assert ended.returncode == 0


@pytest.mark.slow
def test_the_page_on_state_machines_has_programs_that_run_and_finds_what_it_says(tmp_path: Path) -> None:
    for program in programs(ROOT / "docs" / "state-machines.md"):
        name = FILE_NAME.match(program)
        (tmp_path / (name[1] if name else "program.py")).write_text(program, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")
    pytest_run = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_accounts.py")

    typed = run("-W", "error", "warehouse.py", directory=tmp_path)
    ended, passed = run("program.py", directory=tmp_path), run(*pytest_run, directory=tmp_path)
    accounts = tmp_path / "accounts.py"
    text = accounts.read_text(encoding="utf-8")
    drawing = text.replace("        have = self", "        self.luck = random.random()\n        have = self", 1)
    accounts.write_text(f"import random\n{drawing}", encoding="utf-8")
    failed = run(*pytest_run, directory=tmp_path)

    assert (typed.stderr, typed.returncode) == ("", 0)
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert passed.returncode == 0, passed.stdout
    assert re.search(r"seed 0 failed", failed.stdout), failed.stdout
    assert "raft.state_equal broken" in failed.stdout
    assert "state.luck is" in failed.stdout


def test_the_rehearsal_of_the_page_on_evolution_passes(tmp_path: Path) -> None:
    for program in programs(ROOT / "docs" / "evolution.md"):
        if name := FILE_NAME.match(program):
            (tmp_path / name[1]).write_text(program, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8")

    ended = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_rehearsal.py", directory=tmp_path)

    assert ended.returncode == 0, ended.stdout
    assert "1 passed" in ended.stdout


@pytest.mark.slow
def test_the_how_to_of_simulation_finds_its_bug_and_its_repair_holds(tmp_path: Path) -> None:
    files = [(FILE_NAME.match(program), program) for program in programs(ROOT / "docs" / "simulation.md")]
    named = [(name[1], program) for name, program in files if name]
    versions = [program for name, program in named if name == "bank.py"]
    for name, program in named:
        (tmp_path / name).write_text(program, encoding="utf-8")
    suite = (
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "-p",
        "coterie.testing.plugin",
        "test_bank.py",
    )

    (tmp_path / "bank.py").write_text(versions[0], encoding="utf-8")
    broken = run(*suite, directory=tmp_path)
    again = re.search(r"again: pytest (test_bank.py::\w+ --sim-seed \d+)", broken.stdout)
    replayed = run(*suite[:-1], *(again[1] if again else "").split(), directory=tmp_path)
    explored = run("-m", "coterie", "sim", "scenarios:bank", "--seeds", "3", "--profile", "calm", directory=tmp_path)
    (tmp_path / "bank.py").write_text(versions[1], encoding="utf-8")
    repaired = run(*suite, directory=tmp_path)

    assert (broken.returncode, replayed.returncode, repaired.returncode) == (1, 1, 0), broken.stdout + repaired.stdout
    assert "no order explains" in broken.stdout
    assert "no order explains" in replayed.stdout
    assert "3 passed, 0 failed" in explored.stdout, explored.stdout + explored.stderr


def wait_for_success(*command: str, directory: Path) -> None:
    """Run `command` again and again until it exits with 0, for a minute at most."""
    ends_at_s = time.monotonic() + 60
    while run(*command, directory=directory).returncode != 0:
        assert time.monotonic() < ends_at_s, f"{command} does not succeed"


def saved_programs(page: Path, directory: Path) -> list[str]:
    """Save the programs of a page that have a name in their first line; return the names."""
    named = [(name[1], program) for program in programs(page) if (name := FILE_NAME.match(program))]
    for file, program in named:
        (directory / file).write_text(program, encoding="utf-8")
    return [file for file, _ in named]


def commands(page: Path) -> list[str]:
    """Return the `coterie` commands of a page's console blocks, without their comments."""
    blocks = CONSOLE.findall(page.read_text(encoding="utf-8"))
    lines = [line.removeprefix("$ ").partition("  # ")[0].strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("coterie ") for line in lines if line.startswith("coterie ")]


@pytest.mark.parametrize(
    ("program", "printed"), [("counter.py", "3\n"), ("two_systems.py", "2\n"), ("pages.py", "hello\n")]
)
def test_a_program_of_the_readme_prints_what_its_comment_says(program: str, printed: str, tmp_path: Path) -> None:
    assert program in saved_programs(README, tmp_path)

    ended = run(program, directory=tmp_path)

    assert (ended.stderr, ended.stdout, ended.returncode) == ("", printed, 0)


def test_the_policy_of_the_page_on_load_balancing_picks_as_its_comment_says(tmp_path: Path) -> None:
    saved_programs(ROOT / "docs" / "load-balancing.md", tmp_path)

    ended = run("own_policy.py", directory=tmp_path)

    assert (ended.stderr, ended.stdout) == ("", "n1/workers/1 is the first of 2\n")


@pytest.mark.parametrize("page", [README, *PAGES], ids=lambda page: page.stem)
def test_every_name_that_a_page_imports_from_coterie_exists(page: Path) -> None:
    imports = [line for program in programs(page) for line in IMPORT.findall(program)]
    missing = [
        f"{module}.{name}"
        for module, names in imports
        for name in re.split(r",\s*", names)
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


@pytest.mark.slow
def test_the_shop_of_the_readme_is_drawn_and_loses_no_order_under_faults(tmp_path: Path) -> None:
    saved_programs(README, tmp_path)
    [parts] = [program for program in programs(README) if program.startswith("topology.synod")]
    imports = (
        "from coterie import Actor, Ask, LeastLoaded, Node, PeakEwma, PowerOfTwoChoices, Prequal, message\n\n"
        "@message\nclass Count(Ask[int]): ...\n\n"
        "class Worker(Actor[Count]):\n    def __init__(self, node: Node): ...\n\n"
        "Front = Worker\n"
    )
    shop = (tmp_path / "shop.py").read_text(encoding="utf-8")
    (tmp_path / "all_parts.py").write_text(imports + shop + parts, encoding="utf-8")
    tests = tmp_path / "test_shop.py"
    tests.write_text(tests.read_text(encoding="utf-8").replace("seeds=100", "seeds=3"), encoding="utf-8")

    drawn = run("-m", "coterie", "topology", "all_parts:topology", directory=tmp_path)
    suite = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "coterie.testing.plugin")
    ended = run(*suite, "test_shop.py", directory=tmp_path)

    assert [
        word for word in ("totals", "store", "config", "workers", "gate", "door", "front") if word not in drawn.stdout
    ] == []
    assert ("1 passed" in ended.stdout, ended.returncode) == (True, 0), ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_commands_of_the_readme_work_on_its_own_topology(tmp_path: Path) -> None:
    saved_programs(README, tmp_path)
    with ExitStack() as stack:
        ports = [stack.enter_context(closing(ReservedPort())).number for _ in range(3)]

        def with_ports(text: str) -> str:
            for number, port in enumerate(ports, 1):
                text = text.replace(f"127.0.0.1:740{number}", f"127.0.0.1:{port}")
                text = text.replace(f"127.0.0.1:741{number}", f"127.0.0.1:{port}")
            return text

        nodes = ",".join(f"127.0.0.1:{port}" for port in ports)
        lines = [with_ports(line) for line in commands(README)]
        for line in lines:
            if line.startswith("run "):
                command = [sys.executable, "-m", "coterie", *shlex.split(line)]
                node = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                stack.callback(node.wait)
                stack.callback(node.terminate)
        buy = tmp_path / "buy.py"
        buy.write_text(with_ports(buy.read_text(encoding="utf-8")), encoding="utf-8")

        asked = [shlex.split(line.replace("$NODES", nodes)) for line in lines if "$NODES" in line]
        wait_for_success("-m", "coterie", *asked[0], directory=tmp_path)  # until the groups have formed
        answers = {" ".join(words[:2]): run("-m", "coterie", *words, directory=tmp_path) for words in asked}
        bought = run(buy.name, directory=tmp_path)

    assert (bought.stdout, bought.stderr) == ("2\nb'hello'\n", "")
    assert len(answers) == 9
    assert {name: ended.returncode for name, ended in answers.items() if ended.returncode} == {}
    assert answers["kv get"].stdout == "hello\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    own = {name[1] for program in programs(page) if (name := FILE_NAME.match(program))}
    missing = [
        f"{file}::{test}"
        for file, test in NAMED_TEST.findall(page.read_text(encoding="utf-8"))
        if file not in own
        and not any(f"def {test}" in path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob(file))
    ]
    assert missing == []


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = [ROOT / path if path else page.parent / link for path, link in NAMED_PATH.findall(text)]
    assert [path for path in paths if not path.exists()] == []
