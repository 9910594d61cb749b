"""`SimulatedClient`: runs a client's workload against a simulated cluster, and records each operation of the client."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import RecordedStore, Recorder, Recordings
from coterie.errors import CoterieError, NodeUnreachable
from coterie.protocols.checking.linearizability import KeyValue, Model

__all__ = ["RoundBudget", "SimulatedClient", "SimulatedClients", "Workload", "connected_client", "run_client"]

RETRY_INTERVAL_S = 0.2


class RoundBudget:
    """The number of rounds that all clients of a run may still do together; `limit` None: unlimited."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit

    def take(self) -> bool:
        """Take one round; return False if none is left."""
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0

    def end(self) -> None:
        """Set the budget to zero: no client begins another round."""
        self._left = 0


class SimulatedClient:
    """The client that a workload uses: `await client.key_value("store").put(b"k", b"v")`.

    Args:
        number: of the client, from 1.
        name: in histories.
        access: the real client.
        rng: random generator of this client.
        recordings: gets its operations.
        rounds: the rounds left for all clients together.
        now: the world's time (s).
    """

    def __init__(
        self,
        number: int,
        name: str,
        access: Client,
        rng: random.Random,
        recordings: Recordings,
        rounds: RoundBudget,
        now: Callable[[], float],
    ) -> None:
        self.number = number
        """The number of the client, from 1."""
        self.name = name
        """Its name in histories."""
        self.access = access
        """The real `Client`, for pools, actors and groups; operations on it are not recorded."""
        self.random = rng
        """The random generator of this client."""
        self._recordings = recordings
        self._rounds = rounds
        self._now = now

    def rounds(self, count: int) -> Iterator[int]:
        """Yield 0 … `count` - 1: `for at in client.rounds(100)`; fewer while a failure is being shrunk."""
        for at in range(count):
            if not self._rounds.take():
                return
            yield at

    def key_value(self, group: str) -> RecordedStore:
        """Return the key-value store of that name; each call is recorded, and checked against `KeyValue`."""
        return RecordedStore(self.access.key_value(group), self.recorder(group, KeyValue()))

    def recorder(self, group: str, model: Model[Any]) -> Recorder:
        """Return a recorder of other calls to `group`, checked against `model`. ValueError if it has another model."""
        return self._recordings.recorder(group, self.name, model, self._now)


Workload = Callable[[SimulatedClient], Awaitable[None]]


class SimulatedClients:
    """The running clients of one `Simulation.clients` call; `await` it to wait until all are done."""

    def __init__(self, tasks: Sequence[asyncio.Task[None]], gave_up: dict[str, CoterieError]) -> None:
        self.gave_up = gave_up
        """The `CoterieError` that ended a client early, by client name."""
        self._tasks = tuple(tasks)

    @property
    def is_done(self) -> bool:
        """Whether every client is done."""
        return all(task.done() for task in self._tasks)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until every client is done."""
        yield from asyncio.wait(self._tasks).__await__()


async def run_client(
    make: Callable[[], Client],
    wrap: Callable[[Client], SimulatedClient],
    workload: Workload,
    gave_up: Callable[[CoterieError], None],
) -> None:
    """Connect a client, however long that takes, and run its workload.

    Args:
        make: makes a client for each attempt to connect.
        wrap: makes a connected client a recorded one.
        workload: the work of the client.
        gave_up: is called with the `CoterieError` that ended the work; any other error is raised.
    """
    access = await connected_client(make)
    try:
        await workload(wrap(access))
    except CoterieError as error:
        gave_up(error)
    finally:
        await access.__aexit__(None, None, None)


async def connected_client(make: Callable[[], Client]) -> Client:
    """Return a connected client; `make` makes a new one for each attempt, without limit."""
    while True:
        try:
            client = await make().__aenter__()
            if client.nodes:
                return client
            await client.__aexit__(None, None, None)
        except NodeUnreachable:
            pass  # a refusal: in the simulation each of them passes
        await asyncio.sleep(RETRY_INTERVAL_S)
