"""What fenced code perceives, and how a name of the outside is replaced."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Patch", "Senses", "replaced"]


class Senses(Protocol):
    """The world as the code that runs right now perceives it."""

    def monotonic(self) -> float:
        """Return its monotonic time (s)."""
        ...

    def wall(self) -> float:
        """Return its wall time (s since the epoch)."""
        ...

    def chance(self) -> random.Random:
        """Return its generator."""
        ...

    def name(self) -> str:
        """Return the name of the machine it believes to run on."""
        ...

    def sleep(self, seconds: float) -> None:
        """Block for `seconds`. FenceError if this is no blocking function: that would hold the loop."""
        ...


@dataclass(frozen=True, slots=True)
class Patch:
    """The attribute `name` of `owner` (a module or class) is replaced by `make(original, is_inside)`.

    What is made must do as the original does where `is_inside()` is false: on other threads.
    """

    owner: Any
    name: str
    make: Callable[[Any, Callable[[], bool]], Any]


def replaced(owner: Any, name: str, inside: Callable[..., Any]) -> Patch:
    """Return the patch by which `inside` is called in place of a function, with the same arguments."""

    def make(original: Any, is_inside: Callable[[], bool]) -> Any:
        @functools.wraps(original)
        def fenced(*args: Any, **options: Any) -> Any:
            return inside(*args, **options) if is_inside() else original(*args, **options)

        fenced.fenced_from = original  # type: ignore[attr-defined]  # how a second fence notices the first
        return fenced

    return Patch(owner, name, make)
