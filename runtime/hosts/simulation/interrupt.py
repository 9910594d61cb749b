"""Ctrl-C in a simulated world: it comes between two steps of the loop, never inside one.

Python raises `KeyboardInterrupt` wherever it happens to be: in a task, which then ends in it; in a finaliser, which
forgets it. The world would go on, without what was hit.
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
    """Let SIGINT end `loop` before its next step while the block runs; a second one strikes at once, as ever.

    Only in the main thread, and only if nobody else takes care of SIGINT: so does `asyncio.run`, too.

    Raises:
        KeyboardInterrupt: SIGINT came.
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
    if loop.take_interrupt():  # it came after the last step
        raise KeyboardInterrupt
