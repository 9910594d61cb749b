"""Who reached out of a virtual world, and where in the user's code."""

from __future__ import annotations

import asyncio
import os.path
import sys
from types import FrameType
from typing import Final

from coterie.errors import FenceError

__all__ = ["trespass"]

_STDLIB: Final = os.path.dirname(os.path.dirname(asyncio.__file__))
_PACKAGES: Final = ("site-packages", "dist-packages")
_RUNTIME: Final = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def trespass(call: str, advice: str) -> FenceError:
    """Return the error for `call`, with the line of whoever made it: the standard library's and ours do not count."""
    return FenceError(call, _place(sys._getframe(1)), advice)  # noqa: SLF001 - the one way to see one's callers


def _place(frame: FrameType | None) -> str:
    while frame is not None:
        if _is_users(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown place"


def _is_users(file: str) -> bool:
    if file.startswith(("<", _RUNTIME)):
        return False
    return not file.startswith(_STDLIB) or any(name in file for name in _PACKAGES)
