"""The wheel, built from the sdist, in a fresh virtual environment: it holds what it should, and it works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
NOT_SOURCE = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__", "build", "dist", "data")

TWO_ACTORS = """
import asyncio
from coterie import Actor, Ask, System, message

@message(name="demo.Add")
class Add(Ask[int]):
    amount: int

class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total

class Forwarder(Actor[Add]):
    async def on_start(self) -> None:
        self.counter = self.context.spawn(Counter)

    async def receive(self, msg: Add) -> int:
        return await self.counter.ask(Add(msg.amount))

async def main() -> None:
    async with System() as system:
        forwarder = system.spawn(Forwarder)
        forwarder.tell(Add(1))
        print("total", await forwarder.ask(Add(2)))

asyncio.run(main())
"""


def run(*command: str | Path, directory: Path) -> str:
    """Run `command` outside the repository and without its paths; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist (what `python -m build` does by default)."""
    pytest.importorskip("build", reason="the build frontend comes with the extra `check`")
    directory = tmp_path_factory.mktemp("packaging")
    source = directory / "source"
    # A copy: a build writes into its tree. Links stay links, as in a checkout.
    shutil.copytree(ROOT, source, symlinks=True, ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", "--outdir", directory, source, directory=directory)
    (built,) = directory.glob("*.whl")
    return built


@pytest.mark.timeout(300)
def test_the_wheel_holds_the_three_packages_under_one_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = sorted({name.split("/")[0] for name in names if ".dist-info/" not in name})
    assert tops == ["coterie"]
    expected = {
        f"coterie/{path.relative_to(ROOT).as_posix()}"
        for folder in ("actors", "protocols", "runtime")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert expected - set(names) == set()
    assert "coterie/py.typed" in names


@pytest.mark.timeout(300)
def test_a_two_actor_program_works_from_the_wheel_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", wheel, directory=tmp_path)
    program = tmp_path / "two_actors.py"
    program.write_text(TWO_ACTORS, encoding="utf-8")
    assert run(python, program, directory=tmp_path) == "total 3\n"
    where = run(python, "-c", "import coterie.runtime; print(coterie.runtime.__file__)", directory=tmp_path)
    assert where.startswith(str(tmp_path))
