"""`RecordedClients`: runs the clients of a nemesis attack behind proxies of their own, and records their operations."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import Recordings
from coterie.actors.simulation.scenarios.raft_kv import KeyValueWorkload
from coterie.actors.simulation.simulated_client import RoundBudget, SimulatedClient, run_client
from coterie.errors import CoterieError

__all__ = ["RecordedClients"]

ROUNDS_MAX: Final = 1_000_000
"""Rounds per client, more than it can do in a run; round numbers make the written values unique."""


class RecordedClients:
    """The clients; they work from `start` until `finish`, and are cancelled at the end of `async with`.

    Args:
        names: the names of the clients.
        addresses_of: returns the addresses at which a client reaches the nodes.
        seed: seed of their random choices.
        think_s: the longest pause before an operation (s).
        recordings: records their operations.
        now: returns the time (s).
    """

    def __init__(
        self,
        names: Sequence[str],
        addresses_of: Callable[[str], Sequence[str]],
        *,
        seed: int,
        think_s: float,
        recordings: Recordings,
        now: Callable[[], float],
    ) -> None:
        self._names = names
        self._addresses_of = addresses_of
        self._seed = seed
        self._think_s = think_s
        self._recordings = recordings
        self._now = now
        self._rounds = RoundBudget(None)
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Return itself; clients begin with `start`."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel the clients that still work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._failed.cancel() and not self._failed.cancelled():
            self._failed.exception()  # marks the error as retrieved

    def start(self) -> None:
        """Start all clients."""
        for number, name in enumerate(self._names, start=1):
            task = asyncio.create_task(self.run_client(number, name, self._work))
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def finish(self) -> None:
        """Let no client begin another round; wait until all are done."""
        self._rounds.end()
        await asyncio.gather(*self._tasks)

    async def guard(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine. If a client fails meanwhile, cancel the coroutine and raise the client's error."""
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

    async def run_client(self, number: int, name: str, workload: Callable[[SimulatedClient], Awaitable[None]]) -> None:
        """Link a client, without time limit, and run `workload` with it.

        Raises:
            CoterieError: an unexpected error ended the workload (the outcomes of commands are expected).
        """
        gave_up: list[CoterieError] = []
        rng = random.Random(f"{self._seed}/{name}")

        def wrap(access: Client) -> SimulatedClient:
            return SimulatedClient(number, name, access, rng, self._recordings, self._rounds, self._now)

        make = partial(Client, list(self._addresses_of(name)), name=name, learn_addresses=False)
        await run_client(make, wrap, workload, gave_up.append)
        if gave_up:
            raise gave_up[0]

    async def _work(self, client: SimulatedClient) -> None:
        await KeyValueWorkload(client, rounds=ROUNDS_MAX, think_s=self._think_s).run()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)
