"""`World`: runs named nodes on a virtual network, each with its own disk; kills, restarts and partitions the nodes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from coterie.errors import CoterieError
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.testing.virtual_time import running_virtual_loop

__all__ = ["World"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Life(Generic[T]):
    """One run of one node, in its own task."""

    value: T
    main: asyncio.Task[None]
    end: asyncio.Event


class World(ABC, Mapping[str, T]):
    """The running nodes by name, and methods to inject faults. An async context manager: starts and ends all nodes.

    Args:
        names: the names of the nodes.
        seed: determines all random choices in this world.

    Raises:
        TypeError: the running loop is not a `VirtualLoop`.
    """

    def __init__(self, names: Iterable[str], *, seed: int = 0) -> None:
        running_virtual_loop()
        self.names = tuple(names)
        """The names of all nodes, running or not."""
        self.network = VirtualNetwork()
        """The network, for finer faults: `freeze`, `thaw`, `block` (one way), `reset`, `latency_s`."""
        self.disks = {name: VirtualDisk() for name in self.names}
        """Each node's disk by name; it survives the node's end."""
        self.addresses = {name: f"127.0.0.1:{7401 + at}" for at, name in enumerate(self.names)}
        """The address on which each node listens: `host:port` by name."""
        self._seed = seed
        self._lives: dict[str, _Life[T]] = {}
        self._hosts_made = 0

    @abstractmethod
    def _run_node(self, name: str, host: VirtualHost) -> AbstractAsyncContextManager[T]:
        """Return a context manager that runs the node `name` on `host`."""

    # --- running nodes ----------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> T:
        """Return the running node `name`. KeyError if it is not running."""
        return self._lives[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._lives)

    def __len__(self) -> int:
        return len(self._lives)

    # --- begin and end ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start all nodes."""
        try:
            await self.start()
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all nodes. Unless the body raised, raises the errors of nodes for which `ended` was not awaited."""
        if kind is None:
            await self.close()
        else:
            await self._end_all()

    async def close(self) -> None:
        """End all nodes, in the reverse order of their start.

        Raises:
            BaseExceptionGroup: the errors of nodes that had failed, and for which `ended` was not awaited.
        """
        if faults := await self._end_all():
            raise BaseExceptionGroup("nodes ended with errors", faults)

    async def start(self, *names: str) -> None:
        """Start each of `names` (default: all nodes not running). Raises the error with which a start fails."""
        for name in names or [name for name in self.names if name not in self]:
            if name in self:
                raise ValueError(f"start({name!r}): the node is running already")
            self._lives[name] = await self._begin(self._run_node(name, self.host(name)))

    async def stop(self, name: str) -> None:
        """Stop a node gracefully. KeyError if `name` is not running; raises the error of its stop."""
        self._lives[name].end.set()
        await self.ended(name)

    async def ended(self, name: str) -> None:
        """Wait for a node to end by itself (after a failed sync, for example), and raise its error."""
        life = self._lives[name]
        try:
            await asyncio.shield(life.main)
        finally:
            if life.main.done():
                del self._lives[name]

    async def kill(self, name: str) -> None:
        """End a node as SIGKILL with a power failure does: it sends nothing more, and unsynced data may be lost.

        Running handlers and hooks continue to their end (in virtual time), but without effect outside. KeyError if
        `name` is not running.
        """
        life = self._lives.pop(name)
        self.network.reset(name)
        self.network.freeze(name)
        self.disks[name].crash(random.Random(f"{self._seed}/{self._hosts_made}"))
        life.end.set()
        with contextlib.suppress(CoterieError, OSError):  # the node may fail because its disk has crashed
            await life.main
        self.network.thaw(name)

    def host(self, name: str) -> VirtualHost:
        """Make a new host in this world; a name that is not in `names` gets an empty disk."""
        self._hosts_made += 1
        seed = self._seed * 1_000_003 + self._hosts_made
        return VirtualHost(name, network=self.network, disk=self.disks.get(name), seed=seed)

    async def _begin(self, life: AbstractAsyncContextManager[T]) -> _Life[T]:
        started: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        end = asyncio.Event()

        async def run() -> None:
            async with life as value:
                started.set_result(value)
                await end.wait()

        main = asyncio.create_task(run())
        either: list[asyncio.Future[Any]] = [started, main]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            await main
        return _Life(started.result(), main, end)

    async def _end_all(self) -> list[BaseException]:
        faults: list[BaseException] = []
        for name in reversed(list(self._lives)):
            try:
                await self.stop(name)
            except Exception as fault:  # noqa: BLE001 (all are raised together)
                faults.append(fault)
        return faults

    # --- faults -----------------------------------------------------------------------------------------------------

    def partition(self, *sides: Iterable[str]) -> None:
        """Partition the sides: nothing is delivered between different sides until `heal`.

        `partition(["n1"], ["n2", "n3"])`. Held-back data is delivered afterwards.
        """
        for here, there in itertools.combinations(sides, 2):
            for a, b in itertools.product(_names(here), _names(there)):
                self.network.partition(a, b)

    def isolate(self, name: str) -> None:
        """Partition one node from all others, until `heal`."""
        self.partition([name], [other for other in self.names if other != name])

    def heal(self) -> None:
        """End every partition."""
        self.network.heal()


def _names(side: Iterable[str]) -> tuple[str, ...]:
    if isinstance(side, str):
        raise TypeError(f"partition(…, {side!r}, …): a side is a list of names: [{side!r}]")
    return tuple(side)
