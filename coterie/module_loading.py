"""Module loading: imports a module of the user by name, and tells file and line of what goes wrong in it.

Code of the user may raise anything while it is imported or called. The text of the error names the last line in the
user's files that was reached, and the class and the text of what was raised; its cause has the whole traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from types import ModuleType
from typing import Final

from coterie.import_order import import_working_directory_last
from coterie.runtime.observing.error_texts import error_line

__all__ = ["ModuleFailed", "import_module", "naming_user_lines", "raised_at"]

_LIBRARIES: Final = ("stdlib", "platstdlib", "purelib", "platlib")
_OWN: Final = ("coterie", "actors", "protocols", "runtime")


class ModuleFailed(ValueError):
    """A module of the user cannot be imported, or its code has raised; `__cause__` is what it has raised.

    `is_missing`: there is no such module.
    """

    def __init__(self, text: str, *, is_missing: bool = False) -> None:
        super().__init__(text)
        self.is_missing = is_missing


def import_module(name: str, where: str) -> ModuleType:
    """Import a module; it may be in the working directory. `where`: what was asked for, for the text of an error.

    Raises:
        ModuleFailed: it does not exist, or its code has raised or exited.
        KeyboardInterrupt: Ctrl-C.
    """
    import_working_directory_last()
    with naming_user_lines(where):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                raise ModuleFailed(f"cannot import {name!r} for {where!r}: {error}", is_missing=True) from error
            raise


@contextmanager
def naming_user_lines(where: str) -> Iterator[None]:
    """Turn whatever code of the user raises in the block into a ModuleFailed, except for Ctrl-C.

    What it prints goes to stderr: standard output is the command's own.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (KeyboardInterrupt, ModuleFailed):
        raise
    except BaseException as error:  # `sys.exit()` and whatever else is no Exception, too
        raise ModuleFailed(f"{where!r} cannot be loaded: {raised_at(error)}") from error


def raised_at(error: BaseException) -> str:
    """Return the last line in the user's files that led to `error`, if there is one, and its class and text."""
    text = error_line(error).removesuffix(": ")
    if isinstance(error, SystemExit):
        text = f"{text}: a module that declares something must not exit when it is imported"
    if isinstance(error, SyntaxError) and error.filename is not None and error.lineno is not None:
        return f"{_shown(error.filename)}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if _is_of_the_user(frame.filename)), None)
    return text if last is None else f"{_shown(last.filename)}, line {last.lineno}: {text}"


def _is_of_the_user(filename: str) -> bool:
    if filename.startswith("<"):
        return False
    path = os.path.realpath(filename)
    return not any(path.startswith(f"{folder}{os.sep}") for folder in _foreign_folders())


def _foreign_folders() -> Iterator[str]:
    """Yield the folders of Python, of what is installed, and of coterie."""
    paths = sysconfig.get_paths()
    yield from (os.path.realpath(paths[name]) for name in _LIBRARIES)
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    yield from (os.path.realpath(os.path.join(root, folder)) for folder in _OWN)
    yield from (os.path.realpath(entry) for entry in sys.path if os.path.basename(entry) == "site-packages")


def _shown(filename: str) -> str:
    """Return the path relative to the working directory, if it is in it."""
    relative = os.path.relpath(os.path.realpath(filename), os.path.realpath(os.getcwd()))
    return filename if relative.startswith(os.pardir) else relative
