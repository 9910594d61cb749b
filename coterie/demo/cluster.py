"""The node processes of the demo: started, killed, started again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from coterie.demo.ports import ReservedPort
from coterie.demo.topology import five_nodes, three_nodes
from coterie.errors import CoterieError
from coterie.node_process import cluster_in, end_process, start_process

__all__ = ["Cluster", "NodeEnded"]

T = TypeVar("T")

TOPOLOGY_BY_SIZE: Final = {3: three_nodes, 5: five_nodes}


class NodeEnded(CoterieError):
    """A node process ended by itself. Its last words are in the message."""


class Cluster:
    """The processes of one cluster; `data` is the directory of all data directories and logs of the nodes.

    Use it as an async context manager: it starts all nodes, and at the end stops those that run.
    """

    def __init__(self, size: int, data: str) -> None:
        self.nodes = tuple(f"n{number}" for number in range(1, size + 1))
        self._topology = TOPOLOGY_BY_SIZE[size]
        self._data = data
        self._ports: dict[str, ReservedPort] = {}
        self._processes: dict[str, Process] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        """Start all nodes.

        Raises:
            ValueError: the data directory holds a cluster of another size.
        """
        self._check_data()
        try:
            self._ports = {node: ReservedPort() for node in self.nodes}
            for node in self.nodes:
                await self.start(node)
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all nodes: in order, or, after an error or Ctrl-C, at once (their logs are made for that)."""
        if kind is not None:
            self._signal(signal.SIGKILL)
        await self.close()

    @property
    def addresses(self) -> list[str]:
        """Where the nodes listen, in order."""
        return [self.address(node) for node in self.nodes]

    def address(self, node: str) -> str:
        """Where a node listens, in all its lives."""
        return self._ports[node].address

    def pid(self, node: str) -> int:
        """The process of a node in its latest life."""
        return self._processes[node].pid

    async def start(self, node: str) -> None:
        """Start a node, and format its data directory if it has none. Returns before the node is up."""
        topology = f"{self._topology.__module__}:{self._topology.__name__}"
        addresses = {node: self.address(node) for node in self.nodes}
        with open(self._log(node), "ab") as log:  # noqa: ASYNC230 (the child's output; nothing is written here)
            process = await start_process(topology, node, addresses, os.path.join(self._data, node), output=log)
        self._processes[node] = process
        self._watches[node] = asyncio.create_task(self._watch(node, process))

    async def kill(self, node: str) -> None:
        """End a node by SIGKILL; return when its process is gone."""
        self._watches[node].cancel()
        process = self._processes[node]
        process.kill()
        await process.wait()

    async def guard(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine. If a node ends meanwhile that was not told to, cancel it and raise `NodeEnded`."""
        task = asyncio.create_task(coroutine)
        both: tuple[asyncio.Future[Any], ...] = (task, self._ended)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._ended.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Stop all nodes: in order, and by force if that takes too long. Twice is harmless."""
        for watch in self._watches.values():
            watch.cancel()
        self._signal(signal.SIGTERM)
        await asyncio.gather(*(end_process(process) for process in self._processes.values()))
        for port in self._ports.values():
            port.close()
        if not self._ended.cancel() and not self._ended.cancelled():
            self._ended.exception()  # whoever is interested has looked by now

    async def _watch(self, node: str, process: Process) -> None:
        code = await process.wait()
        if not self._ended.done():
            self._ended.set_exception(NodeEnded(f"node {node!r} ended with code {code}: {self._last_words(node)}"))

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                    process.send_signal(number)

    def _check_data(self) -> None:
        cluster = self._topology().name
        for name in sorted(os.listdir(self._data)):
            found = cluster_in(os.path.join(self._data, name))
            if found not in (None, cluster):
                raise ValueError(f"{self._data!r} holds data of {found!r}, not of {cluster!r}: see --nodes and --data")

    def _log(self, node: str) -> str:
        return os.path.join(self._data, f"{node}.log")

    def _last_words(self, node: str) -> str:
        with open(self._log(node), "rb") as log:
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
