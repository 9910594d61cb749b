from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from coterie.actors.simulation.checkers.history_recording import Recordings
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.errors import BadMessage, CoterieError
from coterie.nemesis.recorded_clients import RecordedClients


class ScriptedClients(RecordedClients):
    """Clients that only count rounds and fail on request, without any connection."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(names, lambda _: [], seed=1, think_s=0.0, recordings=Recordings(), now=lambda: 0.0)
        self.error_by_name: dict[str, CoterieError] = {}
        self.rounds = 0
        self.cancelled: list[str] = []

    async def run_client(self, number: int, name: str, workload: Callable[[SimulatedClient], Awaitable[None]]) -> None:
        """Count rounds until there are no more."""
        del number, workload
        try:
            while self._rounds.take():
                await asyncio.sleep(1)
                self.rounds += 1
                if name in self.error_by_name:
                    raise self.error_by_name[name]
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise


@pytest.mark.virtual
async def test_clients_work_until_they_are_told_to_finish() -> None:
    async with ScriptedClients(["c1", "c2"]) as clients:
        clients.start()
        await clients.guard(asyncio.sleep(9.5))
        await clients.finish()

        assert clients.rounds == 20
    assert clients.cancelled == []


@pytest.mark.virtual
async def test_error_of_a_client_ends_what_goes_on_meanwhile_and_is_raised() -> None:
    ended = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with ScriptedClients(["c1", "c2"]) as clients:
        clients.error_by_name["c2"] = BadMessage("no such field")
        clients.start()

        with pytest.raises(BadMessage, match="no such field"):
            await clients.guard(endless())
        assert ended.is_set()
    assert clients.cancelled == ["c1"]


@pytest.mark.virtual
async def test_error_of_what_goes_on_meanwhile_comes_out_and_the_clients_are_cancelled() -> None:
    async def fail() -> None:
        await asyncio.sleep(2.5)
        raise ValueError("the plan")

    async with ScriptedClients(["c1", "c2"]) as clients:
        clients.start()
        with pytest.raises(ValueError, match="the plan"):
            await clients.guard(fail())
    assert sorted(clients.cancelled) == ["c1", "c2"]
