"""`ClusterProcesses`: starts, kills, pauses, restarts and ends the node processes of a cluster on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

from coterie.actors.topology import Topology
from coterie.errors import CoterieError
from coterie.node_process import cluster_in, end_process, signal_process, start_process
from coterie.reserved_port import ReservedPort

__all__ = ["ClusterProcesses", "NodeEnded"]

T = TypeVar("T")

REFUSAL_TIMEOUT_S = 60.0


class NodeEnded(CoterieError):
    """A node process ended by itself. The last line of its log is in the message."""


class ClusterProcesses:
    """The node processes of one cluster.

    Use it as an async context manager: it starts all nodes, and at the end stops those that run.

    Args:
        topology_path: where the topology is declared, as `module:name` for `coterie run`.
        topology: the topology itself.
        data: the parent directory of the data directories and logs of the nodes.
        route: returns the address at which a node (the first argument) dials another; None: where that one listens.
        environment: variables added to the environment of the processes.
    """

    def __init__(
        self,
        topology_path: str,
        topology: Topology,
        data: str,
        *,
        route: Callable[[str, str], str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.nodes = topology.nodes
        self._topology_path = topology_path
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
        """Stop all nodes: in order, or with SIGKILL after an error or Ctrl-C (their logs survive that)."""
        if kind is not None:
            self._signal(signal.SIGKILL)
        await self.close()

    @property
    def addresses(self) -> list[str]:
        """The addresses of the nodes (`host:port`), in order."""
        return [self.address(node) for node in self.nodes]

    def address(self, node: str) -> str:
        """Return the address of a node (`host:port`); it stays the same over restarts."""
        return self._ports[node].address

    def pid(self, node: str) -> int:
        """Return the process id of a node since its last start."""
        return self._processes[node].pid

    async def start(self, node: str) -> None:
        """Start a node, and format its data directory if it has none. Returns before the node is up."""
        await self._begin_watched(node, "new")

    async def start_on_empty_disk(self, node: str) -> None:
        """Start a killed node with an empty data directory, to join its groups again. Returns before the node is up."""
        shutil.rmtree(os.path.join(self._data, node))
        await self._begin_watched(node, "join")

    async def _begin_watched(self, node: str, bootstrap: str) -> None:
        process = await self._begin(node, bootstrap)
        self._watches[node] = asyncio.create_task(self._watch(node, process))

    async def kill(self, node: str) -> None:
        """End a node by SIGKILL; return when its process is gone."""
        self._watches[node].cancel()
        process = self._processes[node]
        signal_process(process, signal.SIGKILL)
        await process.wait()

    def pause(self, node: str) -> None:
        """Stop a node by SIGSTOP until `resume`."""
        signal_process(self._processes[node], signal.SIGSTOP)

    def resume(self, node: str) -> None:
        """Continue a node after `pause`; no effect if it is not paused."""
        signal_process(self._processes[node], signal.SIGCONT)

    async def start_wiped(self, node: str) -> int:
        """Start a killed node with an empty data directory, without formatting it; return its exit code.

        Raises:
            TimeoutError: it still runs after 60 s, although it must refuse to start.
        """
        shutil.rmtree(os.path.join(self._data, node))
        process = await self._begin(node, None)
        async with asyncio.timeout(REFUSAL_TIMEOUT_S):
            return await process.wait()

    async def _begin(self, node: str, bootstrap: str | None) -> Process:
        addresses = {peer: self.address(node) if peer == node else self._route(node, peer) for peer in self.nodes}
        with open(self._log(node), "ab") as log:  # noqa: ASYNC230 (the child's output; nothing is written here)
            process = await start_process(
                self._topology_path,
                node,
                addresses,
                os.path.join(self._data, node),
                output=log,
                bootstrap=bootstrap,
                environment=self._environment,
            )
        self._processes[node] = process
        return process

    async def guard(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine. If a node ends by itself meanwhile, cancel the coroutine and raise `NodeEnded`."""
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
        """Stop all nodes: with SIGTERM, and with SIGKILL after 10 s. May be called again."""
        for watch in self._watches.values():
            watch.cancel()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)  # paused nodes end too
        await asyncio.gather(*(end_process(process) for process in self._processes.values()))
        for port in self._ports.values():
            port.close()
        if not self._ended.cancel() and not self._ended.cancelled():
            self._ended.exception()  # marks the error as retrieved

    async def _watch(self, node: str, process: Process) -> None:
        code = await process.wait()
        if not self._ended.done():
            self._ended.set_exception(NodeEnded(f"node {node!r} ended with code {code}: {self._last_log_line(node)}"))

    def _signal(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            signal_process(process, number)

    def _check_data(self) -> None:
        cluster = self._topology.name
        for name in sorted(os.listdir(self._data)):
            found = cluster_in(os.path.join(self._data, name))
            if found not in (None, cluster):
                raise ValueError(f"{self._data!r} holds data of {found!r}, not of {cluster!r}: see --nodes and --data")

    def _log(self, node: str) -> str:
        return os.path.join(self._data, f"{node}.log")

    def _last_log_line(self, node: str) -> str:
        with open(self._log(node), "rb") as log:
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "its log is empty"
