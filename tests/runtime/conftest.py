"""Fixtures of the tests between systems: nodes on one virtual network, each with the actors that the test chooses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.actor_registry import ActorRegistry
from coterie.runtime.cells.cell import Cell
from coterie.runtime.cells.spawn_options import SpawnOptions
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.testing import no_leaks
from tests.runtime.recording_meter import RecordingMeter

CONFIG = SystemConfig(transport=TransportConfig(frame_cap_bytes=100_000, message_cap_bytes=100_000))


METERED_TOO = {
    "test_ask_cycles", "test_ask_deadlines", "test_asks", "test_chains", "test_declared_errors", "test_life_cycle",
    "test_overflow", "test_reply_later", "test_sibling_restarts", "test_stash", "test_tells_and_asks",
    "test_threadsafe",
}  # fmt: skip
"""The modules whose tests run twice: with plain actors, and with every actor metered. Nothing else may differ."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of `METERED_TOO` a second time with metered actors."""
    if metafunc.definition.path.stem in METERED_TOO:
        metafunc.parametrize("metering", ["plain", "metered"], indirect=True)


@pytest.fixture(autouse=True)
def metering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[RecordingMeter]:
    """Give every actor a meter that always measures, if the parameter is `metered`; return the meters."""
    meters: list[RecordingMeter] = []
    if getattr(request, "param", "plain") == "metered":
        spawn_under: Callable[..., Any] = ActorRegistry.spawn_under

        def metered(
            registry: ActorRegistry,
            parent: Cell | None,
            factory: Callable[[], Actor[Any]],
            name: str | None,
            opts: SpawnOptions,
        ) -> Ref[Any]:
            meters.append(RecordingMeter())
            made: Ref[Any] = spawn_under(registry, parent, factory, name, replace(opts, meter=meters[-1]))
            return made

        monkeypatch.setattr(ActorRegistry, "spawn_under", metered)
    return meters


class World:
    """Nodes `a`, `b`, … of one virtual network; each has an actor `server` (exported) and one `private`."""

    def __init__(self, server: type[Actor[Any]]) -> None:
        self.kind = server
        self.network = VirtualNetwork()
        self.systems: dict[str, System] = {}
        self.events: list[tuple[str, str, str]] = []
        self.lives = 0

    async def start(self, node: str, role: PeerRole = PeerRole.NODE, **options: Any) -> System:
        options = {"config": CONFIG, **options}
        self.lives += 1
        host = VirtualHost(node, network=self.network, seed=self.lives)
        system = System(node, cluster="test", role=role, host=host, **options)
        await system.__aenter__()
        self.systems[node] = system
        system.on_link(lambda event: self.note(node, event))
        if role is PeerRole.NODE:
            system.spawn(self.kind, name="server", exported=True)
            system.spawn(self.kind, name="private")
            await system.listen(f"{node}.test", 1, insecure=True)
        return system

    def note(self, node: str, event: LinkEvent) -> None:
        self.events.append((node, event.kind, event.node))

    async def stop(self, node: str) -> None:
        await self.systems.pop(node).__aexit__(None, None, None)

    def link(self, a: str, b: str) -> None:
        self.systems[a].add_peer(b, f"{b}.test", 1)
        self.systems[b].add_peer(a, f"{a}.test", 1)

    def server(self, node: str, path: str = "server") -> Any:
        cell = self.systems[node].registry.cell_at(path)
        assert cell is not None
        assert isinstance(cell.actor, self.kind)
        return cell.actor

    def asks_out(self) -> int:
        return sum(system.stats().asks_out for system in self.systems.values())


@pytest.fixture
async def world(server: type[Actor[Any]]) -> AsyncIterator[World]:
    """Nodes a and b, linked; the test module has a fixture `server`, the class of their actors."""
    async with no_leaks():
        world = World(server)
        await world.start("a")
        await world.start("b")
        world.link("a", "b")
        await asyncio.sleep(1)
        yield world
        assert world.asks_out() == 0, "every ask has left the table"
        for node in list(world.systems):
            await world.stop(node)


@pytest.fixture
def there(world: World) -> Ref[Any]:
    """Node b's server as node a reaches it, by address."""
    return world.systems["a"].at(Address("b", "server"))
