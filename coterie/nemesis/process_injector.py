"""`ProcessInjector`: injects the faults of a fault plan into node processes and the chaos proxies between them.

    FaultPlan ──▶ ProcessInjector ──at its time──▶ by role? ──▶ ProcessFaults (signals), NetworkFaults (proxies)
                     │                    ask which node has it,     each counts in `FaultCounts` what took effect
                     │                    for 1 s at most
                     └── ends_at_s ──▶ all faults end

A network fault with a duration is extended by 0.1 s at a time until it has taken effect or the plan is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from coterie.actors.simulation.faults.fault_timing import EXTENSION_S, FaultTiming
from coterie.actors.simulation.faults.network_faults import FaultyNetwork, NetworkFaults
from coterie.nemesis.process_faults import NodeProcesses, ProcessFaults
from coterie.nemesis.role_observer import RoleObserver
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    Bandwidth,
    Clog,
    Corrupt,
    Crash,
    Delay,
    Fault,
    Flap,
    HalfOpen,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    Reset,
    ResetMidFrame,
    Shape,
    TargetRole,
    WipedDisk,
    kind,
)
from coterie.protocols.faults.plan_format import encode_fault
from coterie.runtime.hosts.host import Clock

__all__ = ["ProcessInjector", "check_plan"]

EXTENSION_MAX_S: Final = 5.0
"""The longest extension of a plan, while a kind of fault has not taken effect yet."""

ROLE_TIMEOUT_S: Final = 1.0
"""How long a fault waits for a node in its role."""

POLL_INTERVAL_S: Final = 0.02

Recorder = Callable[[str | None, str, object], None]


def check_plan(plan: FaultPlan) -> None:
    """Refuse a plan with faults that real processes do not support, or beyond the fault budget.

    Raises:
        PlanError: it names the fault, and the levels that support it.
    """
    plan.check_level(Level.PROCESS)
    check_budget(plan)


class ProcessInjector:
    """Runs a plan, once.

    Args:
        plan: the fault plan.
        processes: the nodes.
        network: the links between them.
        clients: the names of the clients that dial the nodes.
        observer: finds the node in a role.
        clock: the clock of the plan.
        record: called with each event: the name of the node (None: the cluster), the event, a detail.
    """

    def __init__(
        self,
        plan: FaultPlan,
        processes: NodeProcesses,
        network: FaultyNetwork,
        clients: Sequence[str],
        observer: RoleObserver,
        clock: Clock,
        record: Recorder,
    ) -> None:
        check_plan(plan)
        self.fault_counts = FaultCounts()
        """The faults that took effect."""
        self._plan = plan
        self._observer = observer
        self._record = record
        self._loop = asyncio.get_running_loop()
        self._timing = FaultTiming(clock.monotonic, self._loop.call_later)
        self._plan_over: asyncio.Future[None] = self._loop.create_future()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._late_error: BaseException | None = None
        self._processes = ProcessFaults(processes, self._timing, self.fault_counts, self._begin)
        self._network = NetworkFaults(
            network,
            plan.nodes,
            self._timing,
            self.fault_counts,
            clients=lambda: clients,
            is_gone=self._processes.is_gone,
        )

    def is_gone(self, node: str) -> bool:
        """Return whether a node was wiped and is not started again."""
        return self._processes.is_gone(node)

    async def run_plan(self) -> None:
        """Run the plan from now on; return when it is over and all faults have ended.

        Raises:
            WipedNodeRan: a node ran although its data directory was wiped.
        """
        ends_s = self._timing.now() + self._plan.ends_at_s
        for fault in self._plan.faults:
            self._timing.after(fault.at_s, partial(self._start_fault, fault))
        self._timing.after(self._plan.ends_at_s, partial(self._end, ends_s + EXTENSION_MAX_S))
        try:
            await self._plan_over
            await self._recover()
        finally:
            self._timing.end()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _recover(self) -> None:
        self._timing.end()
        self._network.end_all()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._late_error is not None:
            raise self._late_error
        await self._processes.recover()
        self._record(None, "plan.ended", None)

    def _end(self, latest_s: float) -> None:
        """End the plan when every planned kind of fault has taken effect, or at `latest_s`."""
        has_struck = all(self.fault_counts.count(name) for name in self._plan.kinds())
        if not has_struck and self._timing.now() < latest_s:
            self._timing.after(EXTENSION_S, partial(self._end, latest_s))
        elif not self._plan_over.done():
            self._plan_over.set_result(None)

    # --- one fault --------------------------------------------------------------------------------------------------

    def _start_fault(self, fault: Fault) -> None:
        role = _role_of(fault)
        if role is TargetRole.ANY:
            self._inject(fault, self._target_of(fault))
        else:
            self._begin(self._aim(fault, role))

    async def _aim(self, fault: Fault, role: TargetRole) -> None:
        give_up_s = self._timing.now() + ROLE_TIMEOUT_S
        while self._timing.now() < give_up_s and not self._plan_over.done():
            found = await self._observer.node_in_role(role)
            if found is not None and not self.is_gone(found):
                self._inject(fault, found)
                return
            await asyncio.sleep(POLL_INTERVAL_S)
        self._inject(fault, self._target_of(fault))

    def _target_of(self, fault: Fault) -> str:
        """Return the target of a fault; in place of a wiped node, the first that is not wiped."""
        named = getattr(fault, "target", self._plan.nodes[0])
        living = [node for node in self._plan.nodes if not self.is_gone(node)]
        return named if named in living or not living else living[0]

    def _inject(self, fault: Fault, node: str) -> None:
        if self._plan_over.done():
            return
        self._record(node if hasattr(fault, "target") else None, f"fault.{kind(fault)}", encode_fault(fault))
        match fault:
            case Crash() | Pause() | WipedDisk():
                self._processes.inject(fault, node)
            case Outage():
                self._processes.fail_power(fault)
            case Partition():
                self._network.partition(fault, node)
            case Delay() | Loss() | Corrupt() | Bandwidth() | Reset() | ResetMidFrame() | HalfOpen() | Clog() | Flap():
                self._network.inject(fault)
            case _:
                raise TypeError(f"{fault.KIND} is not supported by processes: check_plan refuses such plans")

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._plan_over.done():
            self._late_error = error
        else:
            self._plan_over.set_exception(error)


def _role_of(fault: Fault) -> TargetRole:
    if isinstance(fault, Partition):
        return TargetRole.LEADER if fault.shape is Shape.LEADER else TargetRole.ANY
    role = getattr(fault, "role", TargetRole.ANY)
    return role if isinstance(role, TargetRole) else TargetRole.ANY
