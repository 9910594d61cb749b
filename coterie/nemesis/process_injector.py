"""Carries a plan of faults out on real processes and the proxies between them.

    Plan ──▶ Injector ──at its time──▶ aimed by role? ──▶ ProcessFaults (signals), NetworkFaults (proxies)
                │                       ask who shows it,     each notes in `Firings` what took effect
                │                       for a second at most
                └── ends_at_s ──▶ everything heals

A fault of the network that lasts goes on, a tenth of a second at a time, until it has hit something or all is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final

from coterie.actors.simulation.faults.fault_timing import EXTENSION_S, Timing
from coterie.actors.simulation.faults.network_faults import FaultyNetwork, NetworkFaults
from coterie.nemesis.process_faults import Processes, ProcessFaults
from coterie.nemesis.role_observer import Observer
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.fault_plan import Plan
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
    Role,
    Shape,
    WipedDisk,
    kind,
)
from coterie.protocols.faults.plan_format import encode_fault
from coterie.runtime.hosts.host import Clock

__all__ = ["Injector", "check_plan"]

GRACE_S: Final = 5.0
"""How much later than planned everything heals, at most, for the sake of a kind of fault that has not struck yet."""

PATIENCE_S: Final = 1.0
"""How long a fault waits for somebody to show its role."""

LOOK_EVERY_S: Final = 0.02

Tell = Callable[[str | None, str, object], None]


def check_plan(plan: Plan) -> None:
    """Refuse a plan that real processes cannot suffer, or that goes beyond the fault budget.

    Raises:
        PlanError: it names the fault, and where it could be carried out.
    """
    plan.check_level(Level.PROCESS)
    check_budget(plan)


class Injector:
    """Makes a plan happen, once.

    Args:
        plan: the faults.
        processes: the nodes.
        network: what is between them.
        clients: the names of those who dial the nodes.
        observer: knows who shows which role.
        clock: the plan's time.
        tell: hears of what happens: a node's name, an event, a detail.
    """

    def __init__(
        self,
        plan: Plan,
        processes: Processes,
        network: FaultyNetwork,
        clients: Sequence[str],
        observer: Observer,
        clock: Clock,
        tell: Tell,
    ) -> None:
        check_plan(plan)
        self.firings = Firings()
        """What took effect."""
        self._plan = plan
        self._observer = observer
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timing = Timing(clock.monotonic, self._loop.call_later)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._late_error: BaseException | None = None
        self._processes = ProcessFaults(processes, self._timing, self.firings, self._begin)
        self._network = NetworkFaults(
            network,
            plan.nodes,
            self._timing,
            self.firings,
            dialers=lambda: clients,
            is_gone=self._processes.is_gone,
        )

    def is_gone(self, node: str) -> bool:
        """Return whether a node is out for good: its directory was wiped."""
        return self._processes.is_gone(node)

    async def carry_out(self) -> None:
        """Carry the plan out from now on; return when it is over and everything has healed.

        Raises:
            WipedNodeRan: a node ran although its data were gone.
        """
        ends_s = self._timing.now() + self._plan.ends_at_s
        for fault in self._plan.faults:
            self._timing.after(fault.at_s, partial(self._strike, fault))
        self._timing.after(self._plan.ends_at_s, partial(self._end, ends_s + GRACE_S))
        try:
            await self._over
            await self._recover()
        finally:
            self._timing.end()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _recover(self) -> None:
        self._timing.end()
        self._network.calm()
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._late_error is not None:
            raise self._late_error
        await self._processes.recover()
        self._tell(None, "plan.ended", None)

    def _end(self, latest_s: float) -> None:
        """Let everything heal, but not before everything has struck, if that takes only moments."""
        has_struck = all(self.firings.count(name) for name in self._plan.kinds())
        if not has_struck and self._timing.now() < latest_s:
            self._timing.after(EXTENSION_S, partial(self._end, latest_s))
        elif not self._over.done():
            self._over.set_result(None)

    # --- one fault --------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault) -> None:
        role = _role_of(fault)
        if role is Role.ANY:
            self._hit(fault, self._named(fault))
        else:
            self._begin(self._aim(fault, role))

    async def _aim(self, fault: Fault, role: Role) -> None:
        give_up_s = self._timing.now() + PATIENCE_S
        while self._timing.now() < give_up_s and not self._over.done():
            found = await self._observer.who(role)
            if found is not None and not self.is_gone(found):
                self._hit(fault, found)
                return
            await asyncio.sleep(LOOK_EVERY_S)
        self._hit(fault, self._named(fault))

    def _named(self, fault: Fault) -> str:
        """Return the target of a fault; in place of one that is out for good, the first that is not."""
        named = getattr(fault, "target", self._plan.nodes[0])
        living = [node for node in self._plan.nodes if not self.is_gone(node)]
        return named if named in living or not living else living[0]

    def _hit(self, fault: Fault, node: str) -> None:
        if self._over.done():
            return
        self._tell(node if hasattr(fault, "target") else None, f"fault.{kind(fault)}", encode_fault(fault))
        match fault:
            case Crash() | Pause() | WipedDisk():
                self._processes.strike(fault, node)
            case Outage():
                self._processes.fail_power(fault)
            case Partition():
                self._network.part(fault, node)
            case Delay() | Loss() | Corrupt() | Bandwidth() | Reset() | ResetMidFrame() | HalfOpen() | Clog() | Flap():
                self._network.strike(fault)
            case _:
                raise TypeError(f"{fault.KIND} cannot be carried out on processes: check_plan lets no such plan pass")

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(coroutine)
        self._tasks[task] = None
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._over.done():
            self._late_error = error
        else:
            self._over.set_exception(error)


def _role_of(fault: Fault) -> Role:
    if isinstance(fault, Partition):
        return Role.LEADER if fault.shape is Shape.LEADER else Role.ANY
    role = getattr(fault, "role", Role.ANY)
    return role if isinstance(role, Role) else Role.ANY
