"""Wait descriptions: say in words for what, and at which places, a simulation run waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

__all__ = ["condition_name", "waiting_place"]


def condition_name(condition: Callable[[], object]) -> str:
    """Return the name of a condition, with the file and line of its code if it has any."""
    name = getattr(condition, "__qualname__", repr(condition))
    code = getattr(condition, "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def waiting_place(task: asyncio.Task[Any]) -> str:
    """Return the innermost three places at which `task` waits."""
    stack = task.get_stack()
    return " < ".join(f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in stack[-3:]) or "nowhere"
