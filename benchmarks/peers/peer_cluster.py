"""`PeerCluster`: three processes of another system, with their data in a temporary directory, for one benchmark."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Final, Self

__all__ = ["PeerCluster"]

START_TIMEOUT_S: Final = 30.0
"""How long the processes may take until a leader is elected, s."""


class PeerCluster(ABC):
    """Processes on loopback. Use it as an async context manager; at its end they are killed by their process ids.

    `kind`: what they are, for the name of the directory.
    """

    def __init__(self, kind: str) -> None:
        self._data = tempfile.mkdtemp(prefix=f"coterie-benchmark-{kind}-")

    async def __aenter__(self) -> Self:
        """Start the processes and wait for a leader. RuntimeError, with its last words if it has any, if one ends."""
        try:
            await self._start_all()
            async with asyncio.timeout(START_TIMEOUT_S):
                await self._ready()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the processes, remove the data."""
        await self._end()

    @abstractmethod
    async def _start_all(self) -> None:
        """Start the processes."""

    @abstractmethod
    async def _ready(self) -> None:
        """Return once a process leads, and all can be used."""

    @abstractmethod
    async def _kill_all(self) -> None:
        """Kill the processes that were started, and wait for their ends."""

    async def _end(self) -> None:
        await self._kill_all()
        shutil.rmtree(self._data, ignore_errors=True)
