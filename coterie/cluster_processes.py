"""The node processes of a cluster on this machine: started, stopped, killed, started again, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from coterie.actors.topology import Topology
from coterie.errors import CoterieError
from coterie.node_process import cluster_in, end_process, start_process
from coterie.reserved_port import ReservedPort

__all__ = ["Cluster", "NodeEnded"]

T = TypeVar("T")

REFUSAL_TIMEOUT_S = 60.0


class NodeEnded(CoterieError):
    """A node process ended by itself. Its last words are in the message."""


class Cluster:
    """The processes of one cluster.

    Use it as an async context manager: it starts all nodes, and at the end stops those that run.

    Args:
        where: the topology, as `module:name`, for `coterie run`.
        topology: the same.
        data: the directory of all data directories and logs of the nodes.
        route: tells a node (the first argument) where to dial another; None: where that one listens.
        environment: what the processes find in their environment beside our own.
    """

    def __init__(
        self,
        where: str,
        topology: Topology,
        data: str,
        *,
        route: Callable[[str, str], str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.nodes = topology.nodes
        self._where = where
        self._topology = topology
        self._data = data
        self._route = route or (lambda _, node: self.address(node))
        self._environment = environment or {}
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
        process = await self._begin(node, may_format=True)
        self._watches[node] = asyncio.create_task(self._watch(node, process))

    async def kill(self, node: str) -> None:
        """End a node by SIGKILL; return when its process is gone."""
        self._watches[node].cancel()
        process = self._processes[node]
        process.kill()
        await process.wait()

    def pause(self, node: str) -> None:
        """Stop a node by SIGSTOP: it stands still until `resume`."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume(self, node: str) -> None:
        """Let a node go on after `pause`. Harmless otherwise."""
        process = self._processes[node]
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)

    async def start_wiped(self, node: str) -> int:
        """Start a killed node with an empty data directory that nobody formats; return its exit code when it ends.

        Raises:
            TimeoutError: it has not ended in a minute: it must not run.
        """
        shutil.rmtree(os.path.join(self._data, node))
        process = await self._begin(node, may_format=False)
        async with asyncio.timeout(REFUSAL_TIMEOUT_S):
            return await process.wait()

    async def _begin(self, node: str, *, may_format: bool) -> Process:
        addresses = {peer: self.address(node) if peer == node else self._route(node, peer) for peer in self.nodes}
        with open(self._log(node), "ab") as log:  # noqa: ASYNC230 (the child's output; nothing is written here)
            process = await start_process(
                self._where,
                node,
                addresses,
                os.path.join(self._data, node),
                output=log,
                may_format=may_format,
                environment=self._environment,
            )
        self._processes[node] = process
        return process

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
        self._signal(signal.SIGCONT)  # who is paused ends too
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
        cluster = self._topology.name
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
