"""Clients of a simulated cluster: each has a life of its own, and what it does is written down."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any

from coterie.actors.client import Client
from coterie.actors.simulation.checkers.history_recording import Ledger, RecordedStore, Recorder
from coterie.errors import CoterieError, NodeUnreachable
from coterie.protocols.checking.linearizability import KeyValue, Model

__all__ = ["Crowd", "Rounds", "SimulatedClient", "Workload", "linked", "serve_client"]

RETRY_S = 0.2


class Rounds:
    """How many rounds all clients of a run may still do; `most` None: any number."""

    def __init__(self, most: int | None) -> None:
        self._left = most

    def take(self) -> bool:
        """Take one; return whether there was one."""
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0

    def end(self) -> None:
        """Leave none: nobody begins another."""
        self._left = 0


class SimulatedClient:
    """What a workload has in hand: `await client.key_value("store").put(b"k", b"v")`.

    Args:
        number: of the client, from 1.
        name: its name.
        access: the real client below.
        rng: what it may draw from.
        ledger: where it is written down.
        rounds: how many rounds are left for all clients together.
        now: the world's time (s).
    """

    def __init__(
        self,
        number: int,
        name: str,
        access: Client,
        rng: random.Random,
        ledger: Ledger,
        rounds: Rounds,
        now: Callable[[], float],
    ) -> None:
        self.number = number
        """Of the client, from 1."""
        self.name = name
        """Its name in histories."""
        self.access = access
        """The `Client` below: pools, actors, groups; what it does directly is not written down."""
        self.random = rng
        """A generator of its own."""
        self._ledger = ledger
        self._rounds = rounds
        self._now = now

    def rounds(self, count: int) -> Iterator[int]:
        """Yield 0 … `count` - 1: `for at in client.rounds(100)`; fewer when a failure is being cut down."""
        for at in range(count):
            if not self._rounds.take():
                return
            yield at

    def key_value(self, group: str) -> RecordedStore:
        """Return the key-value store of that name; each call is recorded, and judged as `KeyValue`."""
        return RecordedStore(self.access.key_value(group), self.recorder(group, KeyValue()))

    def recorder(self, group: str, model: Model[Any]) -> Recorder:
        """Return what records other calls to `group`, to be judged by `model`. ValueError if it has another already."""
        return self._ledger.recorder(group, self.name, model, self._now)


Workload = Callable[[SimulatedClient], Awaitable[None]]


class Crowd:
    """Clients at work. `await crowd` waits until all are done; an error of coterie's ends a client, and is kept."""

    def __init__(self, tasks: Sequence[asyncio.Task[None]], gave_up: dict[str, CoterieError]) -> None:
        self.gave_up = gave_up
        """Who ended early, and why."""
        self._tasks = tuple(tasks)

    @property
    def is_done(self) -> bool:
        """Whether every client is done."""
        return all(task.done() for task in self._tasks)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait until every client is done."""
        yield from asyncio.wait(self._tasks).__await__()


async def serve_client(
    make: Callable[[], Client],
    wrap: Callable[[Client], SimulatedClient],
    workload: Workload,
    gave_up: Callable[[CoterieError], None],
) -> None:
    """Link a client, however long that takes, and let it work.

    Args:
        make: makes the client, anew for each try.
        wrap: gives it what is recorded.
        workload: its work.
        gave_up: is given the error of coterie's that ended the work; any other comes out.
    """
    access = await linked(make)
    try:
        await workload(wrap(access))
    except CoterieError as error:
        gave_up(error)
    finally:
        await access.__aexit__(None, None, None)


async def linked(make: Callable[[], Client]) -> Client:
    """Return a client that is linked: `make` makes one for each try, however many it takes."""
    while True:
        try:
            return await make().__aenter__()
        except NodeUnreachable:
            await asyncio.sleep(RETRY_S)
