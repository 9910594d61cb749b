"""Import order: takes the working directory off the front of the import path, in this process and in child processes.

A program that is started as `python -m …` looks for every module in the working directory first, so a file there that
is named like a library's module (`msgpack.py`, `random.py`) would be run in its place. Topologies and scenarios are
modules in the working directory, too: they are found, after everything that is installed, and only once one is asked
for: until then no optional import of a library can be answered from there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Final

__all__ = [
    "child_environment",
    "hidden_hint",
    "import_working_directory_last",
    "leave_working_directory",
    "module_command",
]

_INSTALLED: Final = ("site-packages", "dist-packages")


def leave_working_directory() -> None:
    """Remove the working directory from `sys.path`. If coterie itself is in it, it stays, at the end."""
    here = os.path.realpath(os.getcwd())
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != here]  # "" stands for it, too
    if here == _root():
        sys.path.append(here)  # worker processes import coterie by this path


def import_working_directory_last() -> None:
    """Move the working directory to the end of `sys.path`, or add it there."""
    leave_working_directory()
    here = os.path.realpath(os.getcwd())
    if here not in sys.path:
        sys.path.append(here)


def hidden_hint(module: ModuleType) -> str:
    """Return a hint if a file of the working directory has the name of an imported module, and is not it; else ""."""
    local = os.path.join(os.getcwd(), *module.__name__.split(".")) + ".py"
    imported = getattr(module, "__file__", None)
    if not os.path.exists(local) or (imported is not None and os.path.realpath(imported) == os.path.realpath(local)):
        return ""
    return f"; it is {imported or 'a part of Python'}: what is installed comes before {local!r}: rename that"


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in another Python; with `-P`, so not from the working directory."""
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment(added: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for a child that runs a `module_command`, with the variables of `added`.

    The child imports the coterie that this process has: if that is a checkout on the import path, and not installed,
    its directory is named in PYTHONPATH, because the child does not look into the working directory.
    """
    environment = {**os.environ, **(added or {})}
    root = _root()
    if os.path.basename(root) not in _INSTALLED and root in map(os.path.realpath, sys.path):
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{others}" if others else root
    return environment


def _root() -> str:
    """Return the directory that the package is in."""
    return os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
