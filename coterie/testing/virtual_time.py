"""Verbs for tests in virtual time."""

from __future__ import annotations

import asyncio
from typing import Final

from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["advance", "running_virtual_loop", "settle"]

_MOMENT_S: Final = 1e-6


async def advance(seconds: float) -> None:
    """Let `seconds` of virtual time pass, and everything happen that happens meanwhile.

    Raises:
        ValueError: `seconds` is negative.
        TypeError: the running loop is no `VirtualLoop`.
    """
    if seconds < 0:
        raise ValueError(f"advance({seconds}): time does not go back")
    running_virtual_loop()
    await asyncio.sleep(seconds)


async def settle() -> None:
    """Let everything happen that needs no time: returns when nothing is ready. The clock moves by a microsecond.

    Raises:
        TypeError: the running loop is no `VirtualLoop`.
    """
    await advance(_MOMENT_S)  # time stands still while anything is ready


def running_virtual_loop() -> VirtualLoop:
    """Return the running loop.

    Raises:
        TypeError: it is no `VirtualLoop`.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise TypeError(
            f"this needs virtual time, and the running loop is a {type(loop).__name__}: start it with "
            f"run_virtual(main), or with asyncio.Runner(loop_factory=VirtualLoop)"
        )
    return loop
