"""Fence errors: builds the error for a call that must not reach the real machine; it names the user's line of code."""

from __future__ import annotations

import asyncio
import os.path
import sys
from types import FrameType
from typing import Final

from coterie.errors import FenceError

__all__ = ["fence_error"]

_STDLIB: Final = os.path.dirname(os.path.dirname(asyncio.__file__))
_PACKAGES: Final = ("site-packages", "dist-packages")
_RUNTIME: Final = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


def fence_error(call: str, advice: str) -> FenceError:
    """Return the error for `call` and the user's line that made it: the standard library and coterie are skipped."""
    return FenceError(call, _user_line(sys._getframe(1)), advice)  # noqa: SLF001 - no public way to see the callers


def _user_line(frame: FrameType | None) -> str:
    while frame is not None:
        if _is_user_code(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown place"


def _is_user_code(file: str) -> bool:
    if file.startswith(("<", _RUNTIME)):
        return False
    return not file.startswith(_STDLIB) or any(name in file for name in _PACKAGES)
