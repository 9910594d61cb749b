"""Virtual time in tests: `advance` lets virtual time pass; `settle` runs ready tasks until no task is ready."""

from __future__ import annotations

import asyncio
from typing import Final

from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["advance", "running_virtual_loop", "settle"]

_MOMENT_S: Final = 1e-6


async def advance(seconds: float) -> None:
    """Let `seconds` of virtual time pass, and run everything that is due meanwhile.

    Raises:
        ValueError: `seconds` is negative.
        TypeError: the running loop is not a `VirtualLoop`.
    """
    if seconds < 0:
        raise ValueError(f"advance({seconds}): the time must not be negative")
    running_virtual_loop()
    await asyncio.sleep(seconds)


async def settle() -> None:
    """Run everything that needs no time; return when nothing is ready. The clock moves by a microsecond.

    Raises:
        TypeError: the running loop is not a `VirtualLoop`.
    """
    await advance(_MOMENT_S)  # time stands still while anything is ready


def running_virtual_loop() -> VirtualLoop:
    """Return the running loop.

    Raises:
        TypeError: it is not a `VirtualLoop`.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError(
            f"this needs virtual time, and the running loop is a {type(loop).__name__}: start it with "
            f"run_virtual(main), or with asyncio.Runner(loop_factory=VirtualLoop)"
        )
    return loop
