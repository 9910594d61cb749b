"""The client: it sends each file to a worker until its counts are known to be committed, so many at a time."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from coterie.actors.client import Client
from coterie.actors.groups.client_session import Session
from coterie.demo.demo_topology import POOL, Counted, CountFile, NotCounted
from coterie.demo.identifier_counts import FILE_BYTES_MAX
from coterie.demo.run_together import run_together
from coterie.errors import CoterieError

__all__ = ["Coordinator", "FileStuck"]

IN_FLIGHT: Final = 16
ATTEMPT_TIMEOUT_S: Final = 20.0
PATIENCE_S: Final = 180.0
PAUSE_S: Final = 0.05


class FileStuck(CoterieError):
    """A file was not acknowledged for minutes: the cluster does not recover."""


class Coordinator:
    """Works off the files of one run.

    Args:
        client: linked with the cluster.
        session: gives each file the identity under which its counts are committed, once, whoever sends them.
        run: the id of the run.
        root, files: the input.
        acknowledged: called with each file as its commit is acknowledged.
    """

    def __init__(
        self,
        client: Client,
        session: Session,
        *,
        run: str,
        root: str,
        files: Sequence[str],
        acknowledged: Callable[[str], None],
    ) -> None:
        self._client = client
        self._session = session
        self._run = run
        self._root = root
        self._waiting = deque(files)
        self._tell = acknowledged
        self.in_flight: dict[str, None] = {}
        self.resent = 0
        self.skipped: dict[str, str] = {}

    async def work(self) -> None:
        """Send all files; return when all are acknowledged.

        Raises:
            FileStuck: one was not, for too long.
        """
        await run_together(*(self._lane() for _ in range(IN_FLIGHT)))

    async def _lane(self) -> None:
        while self._waiting:
            await self._file(self._waiting.popleft())

    async def _file(self, file: str) -> None:
        source, trouble = await asyncio.to_thread(_read, os.path.join(self._root, file))
        identity = await self._session.next()
        self.in_flight[file] = None
        message = CountFile(self._run, os.fsencode(file), source, trouble, identity)
        counted = await self._until_counted(message, file)
        self._session.settle(identity)
        del self.in_flight[file]
        if counted.skipped is not None:
            self.skipped[file] = counted.skipped
        self._tell(file)

    async def _until_counted(self, message: CountFile, file: str) -> Counted:
        clock = self._client.system.host.clock
        give_up = clock.monotonic() + PATIENCE_S
        while True:
            answer = await self._attempt(message)
            if isinstance(answer, Counted):
                return answer
            if clock.monotonic() > give_up:
                raise FileStuck(f"{file}: not acknowledged in {PATIENCE_S:g} s, last: {answer}")
            self.resent += 1
            await asyncio.sleep(PAUSE_S)

    async def _attempt(self, message: CountFile) -> Counted | str:
        """Ask the next worker. Whatever is unknown about an attempt, the next has the same identity."""
        try:
            answer = await self._client.pool(POOL).ask(message, timeout_s=ATTEMPT_TIMEOUT_S)
        except CoterieError as error:
            return str(error)
        return answer.reason if isinstance(answer, NotCounted) else answer


def _read(path: str) -> tuple[bytes, str | None]:
    """Return a file's content, or why it cannot be read. Of a file beyond the limit no more than shows that it is."""
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES_MAX + 1), None
    except OSError as error:
        return b"", f"unreadable: {error.strerror}"
