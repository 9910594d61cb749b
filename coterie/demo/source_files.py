"""Source files: finds the input files of the demo: every `.py` file under a directory, in sorted order."""

from __future__ import annotations

import os
import sysconfig
from typing import Final

__all__ = ["SKIPPED_DIRECTORIES", "find_sources", "standard_library"]

SKIPPED_DIRECTORIES: Final = ("site-packages", "dist-packages", "__pycache__")


def standard_library() -> str:
    """Return the directory of the running interpreter's standard library."""
    return sysconfig.get_path("stdlib")


def find_sources(root: str) -> list[str]:
    """Return the paths, relative to `root` and sorted, of all `.py` files under it, installed packages left out.

    Raises:
        NotADirectoryError, FileNotFoundError: `root` is no directory; the message names it.
        ValueError: there is no such file under it.
    """
    if not os.path.exists(root):
        raise FileNotFoundError(f"input directory {root!r} does not exist")
    if not os.path.isdir(root):
        raise NotADirectoryError(f"input {root!r} is no directory")
    found: list[str] = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in SKIPPED_DIRECTORIES]
        paths = (os.path.join(folder, name) for name in names if name.endswith(".py"))
        found += [os.path.relpath(path, root) for path in paths if os.path.isfile(path)]
    if not found:
        raise ValueError(f"input directory {root!r} holds no .py file")
    return sorted(found)
