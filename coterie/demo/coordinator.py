"""`Coordinator`: sends each input file to a worker, again and again until the worker's result is committed."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from coterie.actors.client import Client
from coterie.actors.groups.client_session import Session
from coterie.demo.demo_topology import POOL, Counted, CountFile, NotCounted
from coterie.demo.identifier_counts import FILE_BYTES_MAX
from coterie.demo.requests_by_node import RequestsByNode
from coterie.errors import CoterieError, FrameTooLarge
from coterie.protocols.balancing import Policy, SmoothWeighted

__all__ = ["Coordinator", "FileNotAcknowledged", "run_together"]

IN_FLIGHT_MAX: Final = 16
ATTEMPT_TIMEOUT_S: Final = 20.0
FILE_TIMEOUT_S: Final = 180.0
RETRY_PAUSE_S: Final = 0.05


class FileNotAcknowledged(CoterieError):
    """A file was not acknowledged for minutes: the cluster does not recover."""


class Coordinator:
    """Sends the files of one run, a fixed number at a time.

    Attributes: `in_flight`: the files that were sent and are not acknowledged. `requests`: the unanswered requests by
    node. `resent`: attempts after a file's first. `skipped`: reason by file.

    Args:
        client: linked with the cluster; it has not used the pool of workers before.
        session: gives each file the identity under which its counts are committed, once, by whichever worker.
        run: the id of the run.
        root, files: the input.
        acknowledged: called with each file as its commit is acknowledged.
        held_back: this many of the files, the last ones, are not sent before `release`.
        balance: picks the worker of each file; the file's name is the key.
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
        held_back: int = 0,
        balance: Policy | None = None,
    ) -> None:
        self._clock = client.system.host.clock
        self._session = session
        self._run = run
        self._root = root
        self._unsent = deque(files)
        self._acknowledged = acknowledged
        self._held_back = held_back
        self._released = asyncio.Event()
        self.requests = RequestsByNode(SmoothWeighted() if balance is None else balance)
        self._pool = client.pool(POOL, balance=self.requests)
        self.in_flight: dict[str, None] = {}
        self.resent = 0
        self.skipped: dict[str, str] = {}

    async def work(self) -> None:
        """Send all files; return when all are acknowledged.

        Raises:
            FileNotAcknowledged: one was not, for too long.
        """
        await run_together(*(self._send_files() for _ in range(IN_FLIGHT_MAX)))

    def release(self) -> None:
        """Let the files that are held back be sent."""
        self._released.set()

    async def _send_files(self) -> None:
        while self._unsent:
            if len(self._unsent) <= self._held_back and not self._released.is_set():
                await self._released.wait()
            else:
                await self._send_file(self._unsent.popleft())

    async def _send_file(self, file: str) -> None:
        source, read_error = await asyncio.to_thread(_read, os.path.join(self._root, file))
        identity = await self._session.next()
        self.in_flight[file] = None
        message = CountFile(self._run, os.fsencode(file), source, read_error, identity)
        counted = await self._until_counted(message, file)
        self._session.settle(identity)
        del self.in_flight[file]
        if counted.skipped is not None:
            self.skipped[file] = counted.skipped
        self._acknowledged(file)

    async def _until_counted(self, message: CountFile, file: str) -> Counted:
        give_up_at_s = self._clock.monotonic() + FILE_TIMEOUT_S
        while True:
            answer = await self._attempt(message)
            if isinstance(answer, Counted):
                return answer
            if self._clock.monotonic() > give_up_at_s:
                raise FileNotAcknowledged(f"{file}: not acknowledged in {FILE_TIMEOUT_S:g} s, last: {answer}")
            self.resent += 1
            await asyncio.sleep(RETRY_PAUSE_S)

    async def _attempt(self, message: CountFile) -> Counted | str:
        """Ask the next worker. If the outcome of an attempt is unknown, the next one has the same identity."""
        try:
            answer = await self._pool.ask(message, key=message.file, timeout_s=ATTEMPT_TIMEOUT_S)
        except FrameTooLarge:
            raise  # it is as large at the next attempt
        except CoterieError as error:
            return str(error)
        return answer.reason if isinstance(answer, NotCounted) else answer


def _read(path: str) -> tuple[bytes, str | None]:
    """Return a file's content, or why it cannot be read. A file beyond the limit is cut one byte above it."""
    try:
        with open(path, "rb") as file:
            return file.read(FILE_BYTES_MAX + 1), None
    except OSError as error:
        return b"", f"unreadable: {error.strerror}"


async def run_together(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until all are done. The first error cancels the others and is raised as itself, not in a group."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
