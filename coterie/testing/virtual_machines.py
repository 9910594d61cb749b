"""A world in memory: names on one virtual network, each with a disk, which live, are killed, and live again."""

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
    """One life of one name, in a task of its own as a process has a main of its own."""

    value: T
    main: asyncio.Task[None]
    end: asyncio.Event


class World(ABC, Mapping[str, T]):
    """What lives now, by name, and the verbs of its faults. An async context manager: everybody starts, all end.

    Args:
        names: who may live.
        seed: what all randomness in this world follows from.

    Raises:
        TypeError: the running loop is no `VirtualLoop`.
    """

    def __init__(self, names: Iterable[str], *, seed: int = 0) -> None:
        running_virtual_loop()
        self.names = tuple(names)
        """Who may live here."""
        self.network = VirtualNetwork()
        """The network, for finer faults: `freeze`, `thaw`, `block` (one way), `reset`, `latency_s`."""
        self.disks = {name: VirtualDisk() for name in self.names}
        """What survives a life, by name."""
        self.addresses = {name: f"127.0.0.1:{7401 + at}" for at, name in enumerate(self.names)}
        """Where they listen: `host:port` by name."""
        self._seed = seed
        self._lives: dict[str, _Life[T]] = {}
        self._births = 0

    @abstractmethod
    def _live(self, name: str, host: VirtualHost) -> AbstractAsyncContextManager[T]:
        """Return one life of `name`, on its host."""

    # --- who lives --------------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> T:
        """Return what lives under `name`. KeyError if it does not live."""
        return self._lives[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(self._lives)

    def __len__(self) -> int:
        return len(self._lives)

    # --- begin and end ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Start everybody."""
        try:
            await self.start()
        except BaseException:
            await self._end_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everybody. Raises what a life raised that `ended` was not awaited for, unless the body raised."""
        if kind is None:
            await self.close()
        else:
            await self._end_all()

    async def close(self) -> None:
        """End everybody, in the reverse order of their beginning.

        Raises:
            BaseExceptionGroup: lives that had ended in an error of their own, not asked for by `ended`.
        """
        if faults := await self._end_all():
            raise BaseExceptionGroup("nodes did not end well", faults)

    async def start(self, *names: str) -> None:
        """Begin a life of each of `names` (default: everybody who does not live). Raises what a life begins with."""
        for name in names or [name for name in self.names if name not in self]:
            if name in self:
                raise ValueError(f"start({name!r}): it lives already")
            self._lives[name] = await self._begin(self._live(name, self.host(name)))

    async def stop(self, name: str) -> None:
        """End a life in good order. KeyError if `name` does not live; raises what its end raises."""
        self._lives[name].end.set()
        await self.ended(name)

    async def ended(self, name: str) -> None:
        """Wait for a life to end by itself (after a failed sync, say), and raise what it raises."""
        life = self._lives[name]
        try:
            await asyncio.shield(life.main)
        finally:
            if life.main.done():
                del self._lives[name]

    async def kill(self, name: str) -> None:
        """End a life as SIGKILL and a power failure do: nothing leaves any more, what was not synced may be lost.

        Handlers and hooks that run come to their end (in virtual time), but nobody hears of it. KeyError if `name` does
        not live.
        """
        life = self._lives.pop(name)
        self.network.reset(name)
        self.network.freeze(name)
        self.disks[name].crash(random.Random(f"{self._seed}/{self._births}"))
        life.end.set()
        with contextlib.suppress(CoterieError, OSError):  # a node may complain of its disk: it is dead
            await life.main
        self.network.thaw(name)

    def host(self, name: str) -> VirtualHost:
        """Make a host for one more life in this world; a name that is not one of `names` gets an empty disk."""
        self._births += 1
        seed = self._seed * 1_000_003 + self._births
        return VirtualHost(name, network=self.network, disk=self.disks.get(name), seed=seed)

    async def _begin(self, life: AbstractAsyncContextManager[T]) -> _Life[T]:
        born: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        end = asyncio.Event()

        async def live() -> None:
            async with life as value:
                born.set_result(value)
                await end.wait()

        main = asyncio.create_task(live())
        either: list[asyncio.Future[Any]] = [born, main]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not born.done():
            await main
        return _Life(born.result(), main, end)

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
        """Part the sides: nothing passes between a name of one and a name of another until `heal`.

        `partition(["n1"], ["n2", "n3"])`. What is held back is delivered afterwards.
        """
        for here, there in itertools.combinations(sides, 2):
            for a, b in itertools.product(_names(here), _names(there)):
                self.network.partition(a, b)

    def isolate(self, name: str) -> None:
        """Part one from all the others of this world, until `heal`."""
        self.partition([name], [other for other in self.names if other != name])

    def heal(self) -> None:
        """End every partition."""
        self.network.heal()


def _names(side: Iterable[str]) -> tuple[str, ...]:
    if isinstance(side, str):
        raise TypeError(f"partition(…, {side!r}, …): a side is a list of names: [{side!r}]")
    return tuple(side)
