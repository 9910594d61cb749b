"""Interrupt: makes Ctrl-C end a simulation between two steps of its event loop, never in the middle of a step.

Python raises `KeyboardInterrupt` in whatever code is running: a task ends with it, a finaliser ignores it. The world
would then continue without the interrupted code.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from coterie.runtime.hosts.simulation.simulated_loop import SimulatedLoop

__all__ = ["interrupted_between_steps"]


@contextmanager
def interrupted_between_steps(loop: SimulatedLoop) -> Iterator[None]:
    """Make SIGINT end `loop` before its next step while the block runs; a second SIGINT is raised at once, as usual.

    Only in the main thread, and only if no other handler of SIGINT is installed, as in `asyncio.run`.

    Raises:
        KeyboardInterrupt: SIGINT was received.
    """
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_ours or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.interrupt()

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if loop.take_interrupt():  # received after the last step
        raise KeyboardInterrupt
