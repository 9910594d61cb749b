"""`FencePatch`: replaces one standard-library function or class; `FencedEnvironment`: supplies the simulated values."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["FencePatch", "FencedEnvironment", "function_patch"]


class FencedEnvironment(Protocol):
    """The clock, random generator, host name and sleep for the code that runs now."""

    def monotonic(self) -> float:
        """Return its monotonic time (s)."""
        ...

    def wall(self) -> float:
        """Return its wall time (s since the epoch)."""
        ...

    def rng(self) -> random.Random:
        """Return its random generator."""
        ...

    def name(self) -> str:
        """Return the host name that it gets."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for `seconds`. FenceError outside a blocking function: it would block the loop."""
        ...


@dataclass(frozen=True, slots=True)
class FencePatch:
    """The attribute `name` of `owner` (a module or class) is replaced by `make(original, is_inside)`.

    The replacement must behave like the original if `is_inside()` is false: on other threads.
    """

    owner: Any
    name: str
    make: Callable[[Any, Callable[[], bool]], Any]


def function_patch(owner: Any, name: str, replacement: Callable[..., Any]) -> FencePatch:
    """Return the patch that calls `replacement` instead of a function, with the same arguments."""

    def make(original: Any, is_inside: Callable[[], bool]) -> Any:
        @functools.wraps(original)
        def fenced(*args: Any, **options: Any) -> Any:
            return replacement(*args, **options) if is_inside() else original(*args, **options)

        fenced.fenced_from = original  # type: ignore[attr-defined]  # lets a second fence detect the first
        return fenced

    return FencePatch(owner, name, make)
