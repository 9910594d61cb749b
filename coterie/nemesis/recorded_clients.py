"""The clients of a run: real ones, each linked through proxies of its own; what they do is written down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import Ledger
from coterie.actors.simulation.scenarios.raft_kv import Work
from coterie.actors.simulation.simulated_client import Rounds, SimulatedClient, serve_client
from coterie.errors import CoterieError

__all__ = ["Crowd"]

FOR_EVER: Final = 1_000_000
"""How many rounds a client would do if nobody ended the work. Their numbers keep what clients write apart."""


class Crowd:
    """Clients at work, from `begin` until `finish`; whoever is left at the end of `async with` is cancelled.

    Args:
        names: of the clients.
        addresses_of: returns where a client reaches each node.
        seed: for their choices.
        think_s: how long each pauses before an operation, at most (s).
        ledger: where they are written down.
        now: the time (s).
    """

    def __init__(
        self,
        names: Sequence[str],
        addresses_of: Callable[[str], Sequence[str]],
        *,
        seed: int,
        think_s: float,
        ledger: Ledger,
        now: Callable[[], float],
    ) -> None:
        self._names = names
        self._addresses_of = addresses_of
        self._seed = seed
        self._think_s = think_s
        self._ledger = ledger
        self._now = now
        self._rounds = Rounds(None)
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Do nothing yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel whoever still works."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._failed.cancel() and not self._failed.cancelled():
            self._failed.exception()  # whoever is interested has looked by now

    def begin(self) -> None:
        """Let all of them work."""
        for number, name in enumerate(self._names, start=1):
            task = asyncio.create_task(self.serve(number, name, self._work))
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def finish(self) -> None:
        """Let nobody begin another operation; wait until all are done."""
        self._rounds.end()
        await asyncio.gather(*self._tasks)

    async def meanwhile(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Await a coroutine; the error of a client, if there is one, ends it and is raised."""
        task = asyncio.create_task(coroutine)
        both: tuple[asyncio.Future[None], ...] = (task, self._failed)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._failed.result()
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def serve(self, number: int, name: str, workload: Callable[[SimulatedClient], Awaitable[None]]) -> None:
        """Link a client, however long that takes, and let it do `workload`.

        Raises:
            CoterieError: the error that ended the work: every outcome of a command is expected, nothing else.
        """
        gave_up: list[CoterieError] = []
        rng = random.Random(f"{self._seed}/{name}")

        def wrap(access: Client) -> SimulatedClient:
            return SimulatedClient(number, name, access, rng, self._ledger, self._rounds, self._now)

        make = partial(Client, list(self._addresses_of(name)), name=name)
        await serve_client(make, wrap, workload, gave_up.append)
        if gave_up:
            raise gave_up[0]

    async def _work(self, client: SimulatedClient) -> None:
        await Work(client, rounds=FOR_EVER, think_s=self._think_s).run()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)
