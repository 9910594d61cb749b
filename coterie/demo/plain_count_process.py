"""`PlainCountProcess`: runs `plain_count.py`, the demo's count without coterie, in a child process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from types import TracebackType
from typing import Self

from coterie.demo import identifier_counts
from coterie.demo.count_comparison import PlainCount
from coterie.errors import CoterieError
from coterie.node_process import signal_process

__all__ = ["PlainCountFailed", "PlainCountProcess"]

SCRIPT = os.path.join(os.path.dirname(identifier_counts.__file__), "plain_count.py")


class PlainCountFailed(CoterieError):
    """The plain count ended without an answer."""


class PlainCountProcess:
    """Runs `plain_count.py` on a directory; an async context manager, so that the process never outlives the demo."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._process: Process | None = None
        self._answer: asyncio.Task[bytes] | None = None

    async def __aenter__(self) -> Self:
        """Start it: isolated (`-I`), so that nothing of this program or its directory can be imported."""
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", SCRIPT, self._root, stdin=pipe, stdout=pipe, start_new_session=True
        )
        assert process.stdout is not None
        self._answer = asyncio.create_task(_read(process.stdout))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, if it still runs."""
        if self._process is None or self._answer is None:
            return
        signal_process(self._process, signal.SIGKILL)
        await self._process.wait()
        self._answer.cancel()
        await asyncio.gather(self._answer, return_exceptions=True)

    async def result(self) -> PlainCount:
        """Wait for the answer.

        Raises:
            PlainCountFailed: there is none.
        """
        if self._process is None or self._answer is None:
            raise RuntimeError("use PlainCountProcess inside `async with`")
        answer = await self._answer
        code = await self._process.wait()
        if code != 0:
            raise PlainCountFailed(f"the plain count of {self._root!r} ended with code {code}")
        facts = json.loads(answer)
        return PlainCount(frozenset(facts["files"]), frozenset(facts["skipped"]), facts["totals"])


async def _read(output: asyncio.StreamReader | None) -> bytes:
    return b"" if output is None else await output.read()
