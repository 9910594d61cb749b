"""The page of the design is true: its pictures are the imports, its journeys are the functions that really run."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from coterie import Actor, Ask, KeyValue, System, Topology, message
from coterie.testing import Cluster, Systems, run_virtual

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
PACKAGES = ("coterie", "actors", "runtime", "protocols")
SECTION = re.compile(r"^#+ (.*?)$(.*?)(?=^#+ |\Z)", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^    (\w+) --> (\w+)$", re.MULTILINE)
STEP = re.compile(r"^\d+\. `([\w/]+\.py)`: `([\w.]+)`", re.MULTILINE)

Step = tuple[str, str]


@message(name="test_design_page.Add")
class Add(Ask[int]):
    amount: int


class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


def section(title: str) -> str:
    return next(found[2] for found in SECTION.finditer(PAGE) if found[1] == title)


# --- the pictures


def place_of(module: str) -> tuple[str, str]:
    """Return (package, folder of it) of a dotted module; the folder is "" for a file directly in the package.

    The errors, which everything imports, count as such a file.
    """
    parts = module.removeprefix("coterie.").split(".")
    package, rest = (parts[0], parts[1:]) if parts[0] in PACKAGES else ("coterie", parts)
    rest = [] if (package, rest[:1]) == ("coterie", ["errors"]) else rest
    folder = ROOT / package / rest[0] if rest else ROOT
    return package, rest[0] if rest and folder.is_dir() else ""


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the modules of coterie that run-time imports name (those under TYPE_CHECKING are none)."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("coterie."):
            yield node.module or ""
        yield from imported(node)


def arrows() -> set[tuple[tuple[str, str], tuple[str, str]]]:
    """Return every import between two places, as (from, to)."""
    found = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if any(parent.is_symlink() for parent in path.parents):
                continue
            source = place_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
            found |= {(source, place_of(name)) for name in imported(ast.parse(path.read_text(encoding="utf-8")))}
    return found


ARROWS = arrows()


def test_the_picture_of_the_packages_is_the_imports_between_them() -> None:
    real = {(one[0], other[0]) for one, other in ARROWS if one[0] != other[0] and other != ("coterie", "")}

    assert set(ARROW.findall(section("The design in pictures"))) == real


@pytest.mark.parametrize("package", PACKAGES)
def test_the_picture_of_a_package_is_the_imports_between_its_folders(package: str) -> None:
    inside = {(one[1], other[1]) for one, other in ARROWS if one[0] == other[0] == package}

    drawn = set(ARROW.findall(section(package)))

    assert drawn == {(one, other) for one, other in inside if one and other and one != other}


def test_an_import_that_only_checkers_see_is_no_arrow() -> None:
    source = (
        "if TYPE_CHECKING:\n    from coterie.runtime.system import System\ndef f():\n    from coterie.actors import x"
    )
    assert list(imported(ast.parse(source))) == ["coterie.actors"]


# --- the journeys


@contextmanager
def followed(calls: list[Step]) -> Iterator[None]:
    """Add every function of coterie that begins while the block runs, as (file, name)."""

    def follow(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            path = Path(frame.f_code.co_filename)
            if "coterie" in path.parts or path.is_relative_to(ROOT):
                calls.append((path.as_posix(), frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(follow)
    try:
        yield
    finally:
        sys.setprofile(before)


async def local_tell(calls: list[Step]) -> None:
    async with System() as system:
        counter = system.spawn(Counter)
        await counter.ask(Add(1))
        with followed(calls):
            counter.tell(Add(1))
            await counter.ask(Add(1))


async def remote_ask(calls: list[Step]) -> None:
    async with Systems("n1", "n2") as systems:
        systems["n2"].spawn(Counter, name="counter")
        counter = await systems["n1"].lookup("n2/counter", Counter)
        await counter.ask(Add(1))
        with followed(calls):
            await counter.ask(Add(1))


async def replicated_command(calls: list[Step]) -> None:
    topology = Topology("design", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    async with Cluster(topology) as cluster:
        store = (await cluster.client()).key_value("store")
        await store.put(b"k", b"v")
        with followed(calls):
            await store.put(b"k", b"w")


def stranded_at(steps: list[Step], calls: list[Step]) -> Step | None:
    """Return the first step that does not follow the ones before it in `calls`; None if all do."""
    left = iter(calls)
    for step in steps:
        if not any(step[1] == name and path.endswith(f"/{step[0]}") for path, name in left):
            return step
    return None


@pytest.mark.parametrize(
    ("title", "journey"),
    [
        ("A local tell", local_tell),
        ("A remote ask", remote_ask),
        ("A replicated command", replicated_command),
    ],
)
def test_a_journey_passes_its_steps_in_order(title: str, journey: Callable[[list[Step]], Awaitable[None]]) -> None:
    steps, calls = STEP.findall(section(title)), list[Step]()

    async def travel() -> None:
        await journey(calls)

    run_virtual(travel)

    assert len(steps) >= 4
    assert stranded_at(steps, calls) is None


def test_a_step_out_of_order_is_seen() -> None:
    calls = [("/x/runtime/a.py", "f"), ("/x/runtime/b.py", "g")]
    assert stranded_at([("runtime/a.py", "f"), ("runtime/b.py", "g")], calls) is None
    assert stranded_at([("runtime/b.py", "g"), ("runtime/a.py", "f")], calls) == ("runtime/a.py", "f")
