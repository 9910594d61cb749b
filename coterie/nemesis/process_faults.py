"""`ProcessFaults`: kills, pauses, resumes and restarts node processes, and deletes the data of a node."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol, assert_never

from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.errors import CoterieError
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import Crash, Outage, Pause, WipedDisk

__all__ = ["NodeProcesses", "ProcessFault", "ProcessFaults", "WipedNodeRan"]

RETRY_S: Final = 0.1

ProcessFault = Crash | Pause | WipedDisk


class WipedNodeRan(CoterieError):
    """A node whose data directory was wiped did not refuse to start under its old name."""


class NodeProcesses(Protocol):
    """The node processes; see `coterie.cluster_processes.ClusterProcesses` for each method."""

    @property
    def nodes(self) -> tuple[str, ...]: ...  # noqa: D102 (as the class says)
    async def start(self, node: str, /) -> None: ...  # noqa: D102
    async def kill(self, node: str, /) -> None: ...  # noqa: D102
    def pause(self, node: str, /) -> None: ...  # noqa: D102
    def resume(self, node: str, /) -> None: ...  # noqa: D102
    async def start_wiped(self, node: str, /) -> int: ...  # noqa: D102


class ProcessFaults:
    """Injects faults into node processes. A fault for a node that is down or paused waits until it runs.

    A wiped node must refuse to start under its old name. It is not started again.

    Args:
        processes: the node processes.
        timing: when faults begin and end.
        fault_counts: counts the faults that took effect.
        begin: starts a coroutine as a task; its error ends the run.
    """

    def __init__(
        self,
        processes: NodeProcesses,
        timing: FaultTiming,
        fault_counts: FaultCounts,
        begin: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._processes = processes
        self._timing = timing
        self._fault_counts = fault_counts
        self._begin = begin
        self._down: dict[str, None] = {}
        self._paused: dict[str, None] = {}
        self._gone: dict[str, None] = {}

    def is_gone(self, node: str) -> bool:
        """Return whether a node was wiped and is not started again."""
        return node in self._gone

    def inject(self, fault: ProcessFault, node: str) -> None:
        """Inject a fault into `node`."""
        if node in self._gone:
            return
        if node in self._down or node in self._paused:
            self._timing.after(RETRY_S, lambda: self.inject(fault, node))
            return
        match fault:
            case Crash():
                self._timing.after(fault.delay_s, lambda: self._kill(fault, node, fault.down_s))
            case Pause():
                self._pause(fault, node)
            case WipedDisk():
                self._wipe(fault, node)
            case _:
                assert_never(fault)

    def fail_power(self, fault: Outage) -> None:
        """Kill every node at once, paused ones too."""
        for at, node in enumerate(self._processes.nodes):
            if node not in self._gone:
                self._kill(fault, node, fault.down_s[at % len(fault.down_s)])

    async def recover(self) -> None:
        """Resume paused nodes and restart killed ones, except wiped ones. No other fault may be in progress."""
        for node in list(self._paused):
            self._resume(node)
        for node in list(self._down):
            await self._restart(node)

    def _kill(self, fault: Crash | Outage, node: str, down_s: float) -> None:
        if node in self._down:
            return
        self._down[node] = None
        self._paused.pop(node, None)
        self._fault_counts.note(fault.KIND)
        self._begin(self._crash(node, down_s))

    async def _crash(self, node: str, down_s: float) -> None:
        await self._processes.kill(node)
        self._timing.after(down_s, lambda: self._begin(self._restart(node)))

    async def _restart(self, node: str) -> None:
        if node in self._down:
            await self._processes.start(node)
            del self._down[node]

    def _pause(self, fault: Pause, node: str) -> None:
        self._paused[node] = None
        self._fault_counts.note(fault.KIND)
        self._processes.pause(node)
        self._timing.after(fault.duration_s, partial(self._resume, node))

    def _resume(self, node: str) -> None:
        if node in self._paused:
            del self._paused[node]
            self._processes.resume(node)

    def _wipe(self, fault: WipedDisk, node: str) -> None:
        self._gone[node] = None
        self._fault_counts.note(fault.KIND)
        self._begin(self._replace_disk(node, fault.down_s))

    async def _replace_disk(self, node: str, down_s: float) -> None:
        await self._processes.kill(node)
        self._timing.after(down_s, lambda: self._begin(self._start_wiped(node)))

    async def _start_wiped(self, node: str) -> None:
        try:
            code = await self._processes.start_wiped(node)
        except TimeoutError as error:
            raise WipedNodeRan(
                f"node {node!r} runs with an empty, unformatted data directory: it must refuse to start"
            ) from error
        if code == 0:
            raise WipedNodeRan(
                f"node {node!r} ended with exit code 0 on an empty data directory: it must refuse to start"
            )
