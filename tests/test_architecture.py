"""The architecture, tested like code: which package imports which, which modules use the system, the size of things.

Everything here reads the sources (`ast`), also what stands inside functions and under TYPE_CHECKING.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINKS = ("actors", "protocols", "runtime")
MEASURED = ("coterie", "protocols", "runtime", "actors", "tests", "benchmarks", "examples")
MAX_FUNCTION_LINES = 45
MAX_FILE_LINES = 500

# --- the rules, as data

STDLIB = frozenset(sys.stdlib_module_names)

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "protocols": ("coterie.protocols", "coterie.errors"),
    "runtime": ("coterie.runtime", "coterie.errors", "uvloop", "msgpack", "structlog"),
    # msgpack: what the algorithms make durable is encoded here, where the two meet.
    "actors": ("coterie.actors", "coterie.runtime", "coterie.protocols", "coterie.errors", "msgpack"),
}

PURE_STDLIB = """
    __future__ abc array bisect collections contextlib copy dataclasses difflib enum functools hashlib heapq itertools
    json math operator random statistics string struct traceback types typing zlib
"""

WORLDLY = """
    concurrent datetime fcntl io locale mmap multiprocessing os pathlib platform queue random resource secrets select
    selectors shutil signal socket socketserver sqlite3 ssl subprocess tempfile threading time urllib uuid
"""

# (file, module) -> why it may reach the world itself and not through its Host.
MAY_TOUCH: dict[tuple[str, str], str] = {
    ("runtime/hosts/real_host.py", "time"): "it is the clock",
    ("runtime/hosts/real_host.py", "concurrent"): "it is the executor",
    ("runtime/hosts/real_host.py", "queue"): "it is the disk thread",
    ("runtime/hosts/real_host.py", "threading"): "it is the disk thread",
    ("runtime/hosts/real_host.py", "random"): "it is where entropy comes in",
    ("runtime/hosts/real_network.py", "ssl"): "it is the network",
    ("runtime/hosts/real_listener.py", "ssl"): "it is the network",
    ("runtime/hosts/real_listener.py", "socket"): "it is the network",
    ("runtime/hosts/real_datagrams.py", "socket"): "it is the network",
    ("runtime/hosts/real_disk.py", "os"): "it is the disk",
    ("runtime/hosts/real_disk.py", "fcntl"): "it is the disk",
    ("runtime/hosts/real_resources.py", "os"): "it reads the machine",
    ("runtime/hosts/real_resources.py", "pathlib"): "it reads the machine",
    ("runtime/hosts/real_resources.py", "resource"): "it reads the machine",
    ("runtime/hosts/real_resources.py", "time"): "the loop's own processor time, where nothing else says it",
    ("runtime/messages/codings.py", "datetime"): "its values cross the wire; no clock is read",
    ("runtime/messages/codings.py", "uuid"): "its values cross the wire; none is drawn",
    ("actors/groups/snapshots/standard_values.py", "datetime"): "its values are saved; no clock is read",
    ("actors/groups/snapshots/standard_values.py", "uuid"): "its values are saved; none is drawn",
    ("runtime/threadsafe.py", "concurrent"): "the type of what other threads wait for; no thread is made",
    (
        "runtime/hosts/virtual/virtual_loop.py",
        "concurrent",
    ): "the type in run_in_executor's signature; no thread is made",
    (
        "runtime/hosts/simulation/simulated_loop.py",
        "concurrent",
    ): "the type in run_in_executor's signature; no thread is made",
    ("runtime/hosts/simulation/fence/fence.py", "threading"): "it fences one thread in, and must know which runs",
    ("runtime/hosts/simulation/interrupt.py", "signal"): "it is Ctrl-C for who runs a world, as asyncio.run's is",
    ("runtime/hosts/simulation/interrupt.py", "threading"): "signals belong to the main thread",
    ("runtime/hosts/simulation/fence/fenced_time.py", "time"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_time.py", "datetime"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_random.py", "ssl"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_random.py", "tempfile"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_time.py", "os"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "queue"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "resource"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "select"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "signal"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "time"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_random.py", "os"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/fenced_random.py", "uuid"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "os"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "socket"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "subprocess"): "it is what is fenced",
    ("runtime/hosts/simulation/fence/refused_calls.py", "threading"): "it is what is fenced",
}

# Attributes whose call makes a loop, a thread, a process or a socket, or reads a clock.
WORLDLY_CALLS = """
    add_reader add_signal_handler create_connection create_datagram_endpoint create_server create_subprocess_exec
    create_subprocess_shell get_event_loop new_event_loop open_connection run_in_executor set_event_loop
    set_event_loop_policy start_server time to_thread
"""

MAY_CALL: dict[tuple[str, str], str] = {
    ("runtime/hosts/real_listener.py", "add_reader"): "it is the network",
    ("runtime/hosts/real_network.py", "create_connection"): "it is the network",
    ("runtime/hosts/real_datagrams.py", "create_datagram_endpoint"): "it is the network",
    ("runtime/hosts/real_datagrams.py", "time"): "the loop's time, for names to resolve again",
    ("runtime/hosts/real_host.py", "run_in_executor"): "it is the executor",
    ("runtime/hosts/real_host.py", "time"): "it is the clock",
    ("runtime/hosts/virtual/virtual_loop.py", "time"): "its own virtual time",
    ("runtime/hosts/simulation/simulated_loop.py", "run_in_executor"): "it is the loop: inline, without a thread",
    ("runtime/hosts/simulation/fence/current_life.py", "time"): "the virtual loop's time",
    ("runtime/hosts/virtual/virtual_executor.py", "time"): "the virtual loop's time, for which call_at is asked",
}

# What os.path does with strings alone.
PATH_STRINGS = frozenset({"basename", "dirname", "join", "normpath", "split", "splitext"})


# --- reading sources


def sources(*folders: str) -> list[Path]:
    """Every Python file under these folders of the repository, sorted; the three links are not followed."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not any(parent.is_symlink() for parent in path.parents))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every import as (line, full name); `from a import b` counts as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def is_within(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names, else an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


# --- the checks: each takes a tree and yields complaints, so that a test can feed it a breach


def forbidden_imports(folder: str, tree: ast.AST) -> Iterator[str]:
    for line, name in imports(tree):
        top = name.split(".")[0]
        if not (top in STDLIB or is_within(name, MAY_IMPORT[folder])):
            yield f"{line}: {folder} must not import {name}"


def bare_or_relative_imports(tree: ast.AST) -> Iterator[str]:
    for line, name in imports(tree):
        if name.startswith(".") or name.split(".")[0] in LINKS:
            yield f"{line}: {name}: import it by its full name, coterie.…"


def impurities(tree: ast.AST) -> Iterator[str]:
    """What has no place in protocols/: the world, global randomness, hashes, and the order of sets."""
    for line, name in imports(tree):
        top = name.split(".")[0]
        if top in STDLIB and top not in PURE_STDLIB.split():
            yield f"{line}: imports {name}"
        if top == "random" and name not in {"random", "random.Random"}:
            yield f"{line}: imports {name}: randomness is an argument"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node).startswith("random.") and dotted(node) != "random.Random":
            yield f"{node.lineno}: {dotted(node)}: randomness is an argument"
        if isinstance(node, ast.Call) and dotted(node.func) == "random.Random" and not node.args:
            yield f"{node.lineno}: random.Random() without a seed"
        if isinstance(node, ast.Call) and dotted(node.func) in {"__import__", "hash", "id", "input", "open"}:
            yield f"{node.lineno}: calls {dotted(node.func)}()"
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)) and is_set(node.iter):
            yield f"{node.iter.lineno}: iterates over a set, whose order differs between processes"


def is_set(node: ast.expr) -> bool:
    made = isinstance(node, ast.Call) and dotted(node.func) in {"set", "frozenset"}
    return made or isinstance(node, (ast.Set, ast.SetComp))


def breaches_of_the_fence(file: str, tree: ast.AST) -> Iterator[str]:
    """What reaches the world without the Host (random.Random as a type or seeded is no breach)."""
    for line, name in imports(tree):
        top = name.split(".")[0]
        harmless = name in {"os.path", "random", "random.Random"}
        if top in WORLDLY.split() and not harmless and (file, top) not in MAY_TOUCH:
            yield f"{line}: imports {name}: use the Host"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from worldly_attribute(file, node)
        if isinstance(node, ast.Call):
            yield from worldly_call(file, node)


def worldly_attribute(file: str, node: ast.Attribute) -> Iterator[str]:
    owner, name = dotted(node.value), node.attr
    if owner == "random" and name != "Random":
        yield f"{node.lineno}: random.{name}: use the Host's generator"
    if owner == "os" and name != "path" and (file, "os") not in MAY_TOUCH:
        yield f"{node.lineno}: os.{name}: use the Host"
    if owner == "os.path" and name not in PATH_STRINGS and (file, "os") not in MAY_TOUCH:
        yield f"{node.lineno}: os.path.{name} looks at the disk: use the Host"


def worldly_call(file: str, node: ast.Call) -> Iterator[str]:
    name = dotted(node.func)
    if name in {"__import__", "input", "open"}:
        yield f"{node.lineno}: calls {name}()"
    if name == "random.Random" and not node.args and (file, "random") not in MAY_TOUCH:
        yield f"{node.lineno}: random.Random() without a seed"
    called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if called in WORLDLY_CALLS.split() and (file, called) not in MAY_CALL:
        yield f"{node.lineno}: calls .{called}(): use the Host"


def long_functions(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
            if lines > MAX_FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {lines} lines ({MAX_FUNCTION_LINES} is the end)"


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    if ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


# --- the architecture as it is


@pytest.mark.slow
@pytest.mark.parametrize("folder", LINKS)
def test_imports_point_one_way(folder: str) -> None:
    complaints = [f"{name_of(path)}:{it}" for path in sources(folder) for it in forbidden_imports(folder, parse(path))]
    assert complaints == []


def test_the_leaf_of_errors_imports_the_standard_library_only() -> None:
    found = [name for path in (ROOT / "coterie/errors").glob("*.py") for _, name in imports(parse(path))]
    assert [name for name in found if name.split(".")[0] not in STDLIB and not name.startswith("coterie.errors")] == []


@pytest.mark.slow
def test_nothing_is_imported_relatively_or_by_a_bare_folder_name() -> None:
    complaints = [
        f"{name_of(path)}:{it}" for path in sources(*MEASURED) for it in bare_or_relative_imports(parse(path))
    ]
    assert complaints == []


def test_protocols_are_pure() -> None:
    assert [f"{name_of(path)}:{it}" for path in sources("protocols") for it in impurities(parse(path))] == []


def test_runtime_and_actors_reach_the_world_through_their_host_only() -> None:
    complaints = [
        f"{name_of(path)}:{it}"
        for path in sources("runtime", "actors")
        for it in breaches_of_the_fence(name_of(path), parse(path))
    ]
    assert complaints == []


def test_every_exemption_is_needed() -> None:
    needed = {(name_of(path), name.split(".")[0]) for path in sources(*LINKS) for _, name in imports(parse(path))}
    called = {
        (name_of(path), node.func.attr)
        for path in sources(*LINKS)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert [key for key in MAY_TOUCH if key not in needed] == []
    assert [key for key in MAY_CALL if key not in called] == []


def test_functions_are_short() -> None:
    assert [f"{name_of(path)}:{it}" for path in sources(*MEASURED) for it in long_functions(parse(path))] == []


def test_files_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*MEASURED)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


@pytest.mark.parametrize("name", LINKS)
def test_the_links_are_relative_links(name: str) -> None:
    link = ROOT / "coterie" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name


def test_nothing_names_a_machine() -> None:
    homes = [f"/{folder}/" for folder in ("work", "root", "home", "tmp", "Users")]
    suffixes = {".py", ".toml", ".md", ".cfg", ".json", ".sh", ""}
    files = [path for folder in (*MEASURED, "docs", ".ci") for path in (ROOT / folder).rglob("*")]
    files += [path for path in ROOT.iterdir() if not path.name.startswith(".")]
    texts = [path for path in files if path.is_file() and path.suffix in suffixes and ".ruff_cache" not in path.parts]
    assert [name_of(p) for p in texts if any(home in p.read_text(encoding="utf-8") for home in homes)] == []


# --- the checks can fail

BREACHES = [
    ("runtime", "from coterie.protocols.raft import Raft"),
    ("runtime", "def f():\n    import coterie.protocols"),
    ("runtime", "import rich"),
    ("protocols", "from coterie import runtime"),
    (
        "protocols",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from coterie.runtime.hosts.host import Host",
    ),
    ("protocols", "import msgpack"),
    ("actors", "from coterie import Actor"),
    ("actors", "from coterie.cli import main"),
]


@pytest.mark.parametrize(("folder", "source"), BREACHES)
def test_an_import_against_the_direction_is_seen(folder: str, source: str) -> None:
    assert list(forbidden_imports(folder, ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["import protocols", "from runtime.host import Host", "from . import x", "from ..a import b"]
)
def test_a_bare_or_relative_import_is_seen(source: str) -> None:
    assert list(bare_or_relative_imports(ast.parse(source)))


IMPURE = [
    "import asyncio", "import time", "def f():\n    from os import path", "import logging", "from random import choice",
    "random.random()", "random.Random()", "hash(x)", "id(x)", "open('x')", "for x in {1, 2}: ...",
    "[x for x in set(y)]", "list(x for x in frozenset(y))", "for x in {y for y in z}: ...",
]  # fmt: skip


@pytest.mark.parametrize("source", IMPURE)
def test_an_impurity_is_seen(source: str) -> None:
    assert list(impurities(ast.parse(source)))


WORLDLY_SOURCES = [
    "import time", "import socket", "import threading", "import uuid", "from os import getpid", "import secrets",
    "import os", "import os.path\nos.getenv('x')", "os.path.exists('x')", "from pathlib import Path", "random.random()",
    "random.Random()", "open('x')", "loop.time()", "await asyncio.to_thread(f)", "loop.create_server(f)",
    "asyncio.new_event_loop()", "loop.add_signal_handler(2, f)", "from concurrent.futures import ThreadPoolExecutor",
]  # fmt: skip


@pytest.mark.parametrize("source", WORLDLY_SOURCES)
def test_a_breach_of_the_fence_is_seen(source: str) -> None:
    assert list(breaches_of_the_fence("runtime/some.py", ast.parse(source)))


def test_a_long_function_is_seen_and_its_docstring_is_free() -> None:
    body = "\n".join("    x = 1" for _ in range(MAX_FUNCTION_LINES - 1))
    docstring = '    """a\n\n    b\n    """\n'
    assert not list(long_functions(ast.parse(f"def f():\n{docstring}{body}")))
    assert list(long_functions(ast.parse(f"def f():\n{docstring}{body}\n    x = 2")))


def test_the_sources_are_found() -> None:
    found = [name_of(path) for path in sources(*MEASURED)]
    assert {
        "runtime/hosts/host.py",
        "protocols/algorithm.py",
        "coterie/errors/root_error.py",
        "tests/test_architecture.py",
    } <= set(found)
    assert not any(name.startswith(("coterie/runtime/", "coterie/protocols/", "coterie/actors/")) for name in found)
