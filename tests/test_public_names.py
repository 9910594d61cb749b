"""What importing coterie does (nothing), what it offers, and that every module says what is public."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import coterie

ROOT = Path(__file__).parent.parent


def modules(folder: str) -> list[str]:
    """The full names of all modules under coterie/`folder`, which may be one of the links."""
    found = sorted((ROOT / folder.removeprefix("coterie/")).rglob("*.py"))
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in found]
    return [f"coterie.{name}".replace("coterie.coterie.", "coterie.").removesuffix(".__init__") for name in names]


ALGORITHMS = modules("protocols")
# The face's own files, by way of no link; __main__ is a program.
FACE = [
    name
    for name in modules("coterie")
    if not name.startswith(("coterie.actors", "coterie.protocols", "coterie.runtime", "coterie.__main__"))
]
ALL = [*ALGORITHMS, *modules("runtime"), *modules("actors"), *FACE]


def in_a_new_process(program: str) -> object:
    """Run `program` in a fresh interpreter and return the JSON that it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def loaded_after(statement: str) -> list[str]:
    loaded = in_a_new_process(f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))")
    assert isinstance(loaded, list)
    return loaded


@pytest.mark.parametrize("statement", ["import coterie.protocols", "import coterie.protocols.raft"])
def test_importing_the_protocols_does_not_load_asyncio(statement: str) -> None:
    assert not {"asyncio", "structlog", "msgpack", "uvloop", "socket", "logging"} & set(loaded_after(statement))


def test_no_protocol_loads_asyncio() -> None:
    loaded = loaded_after("import " + ", ".join(ALGORITHMS))
    assert not {"asyncio", "structlog", "msgpack", "uvloop", "socket", "logging"} & set(loaded)
    assert "coterie.protocols.algorithm" in loaded


def test_importing_coterie_is_lazy() -> None:
    loaded = loaded_after("import coterie")
    assert [name for name in loaded if name.startswith("coterie")] == ["coterie"]
    assert "asyncio" not in loaded


def test_importing_everything_makes_no_loop_thread_handler_or_output() -> None:
    world = in_a_new_process(
        f"""
import asyncio, json, logging, signal, threading

def refuse(*args, **kwargs):
    raise AssertionError("an import made an event loop or set a policy")

for name in ("new_event_loop", "set_event_loop", "set_event_loop_policy", "Runner"):
    setattr(asyncio, name, refuse)
handlers = list(map(signal.getsignal, sorted(signal.valid_signals())))
for name in {ALL!r}:
    __import__(name)
loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("coterie")]
print(json.dumps({{
    "threads": threading.active_count(),
    "log handlers": [repr(handler) for logger in [logging.root, *loggers] for handler in logger.handlers],
    "signal handlers are as before": handlers == list(map(signal.getsignal, sorted(signal.valid_signals()))),
}}))
"""
    )
    assert world == {"threads": 1, "log handlers": [], "signal handlers are as before": True}


def test_the_public_names_resolve_and_are_listed_once() -> None:
    assert coterie.__all__ == sorted(set(coterie.__all__))
    for name in coterie.__all__:
        assert getattr(coterie, name).__module__.startswith("coterie"), name
    assert set(coterie.__all__) <= set(dir(coterie))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(coterie, "non" + "sense")


def test_the_checkers_see_the_same_public_names_in_the_same_homes() -> None:
    tree = ast.parse((ROOT / "coterie/__init__.py").read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name: f"{node.module}"
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(imported) == coterie.__all__
    for name, home in imported.items():
        assert getattr(coterie, name) is getattr(importlib.import_module(home), name), name


def has_names(name: str) -> bool:
    """Whether a module defines or imports anything: an `__init__` that is only a docstring needs no `__all__`."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return len(ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body) > 1


@pytest.mark.parametrize("name", [name for name in ALL if name != "coterie" and has_names(name)])
def test_every_module_says_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    for public in module.__all__:
        assert hasattr(module, public), public


def test_the_modules_are_found() -> None:
    assert {
        "coterie.protocols.algorithm",
        "coterie.runtime.hosts.host",
        "coterie.actors.driver",
        "coterie.errors",
    } <= set(ALL)
