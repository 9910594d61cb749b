"""`DemoOutput`: prints one line per event of the running demo, and how many input files are done."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Final

from coterie.terminal_output import print_error, print_lines

__all__ = ["DemoOutput", "DemoProgress"]

TTY_INTERVAL_S: Final = 0.5
LINE_INTERVAL_S: Final = 1.5
CLEAR: Final = "\r\x1b[K"


class DemoOutput:
    """Events with the seconds since its construction. On a terminal the progress is one line that is overwritten.

    `on_stderr`: they are printed there, and nothing is overwritten: standard output is for the result alone.
    """

    def __init__(self, *, on_stderr: bool = False) -> None:
        self._began_s = time.monotonic()
        self._on_stderr = on_stderr
        self._is_tty = sys.stdout.isatty() and not on_stderr

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began_s

    def say(self, text: str) -> None:
        """Print one event."""
        line = f"{self.elapsed_s:7.2f} s  {text}"
        if self._on_stderr:
            print_error(line)
        else:
            print_lines([line], lead=CLEAR if self._is_tty else "", flush=True)

    async def show(self, describe: Callable[[float], str]) -> None:
        """Print the text of `describe(seconds since the last call)` periodically, until cancelled."""
        if self._is_tty:
            try:
                await self._overwrite(describe)
            finally:
                print_lines([], lead=CLEAR, end="", flush=True)
        while True:
            await asyncio.sleep(LINE_INTERVAL_S)
            self.say(describe(LINE_INTERVAL_S))

    async def _overwrite(self, describe: Callable[[float], str]) -> None:
        while True:
            await asyncio.sleep(TTY_INTERVAL_S)
            print_lines([f"{self.elapsed_s:7.2f} s  {describe(TTY_INTERVAL_S)}"], lead=CLEAR, end="", flush=True)


class DemoProgress:
    """Counts acknowledged files; a caller can wait for a number of them."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0
        self._waiting: list[tuple[int, asyncio.Event]] = []

    def add(self, _: str) -> None:
        """Count one more."""
        self.count += 1
        for number, event in self._waiting:
            if self.count >= number:
                event.set()

    async def reached(self, number: int) -> None:
        """Wait until `number` files, or all, are acknowledged."""
        number = min(number, self.total)
        if self.count >= number:
            return
        event = asyncio.Event()
        self._waiting.append((number, event))
        await event.wait()
