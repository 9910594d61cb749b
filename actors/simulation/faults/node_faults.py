"""`NodeFaults`: injects faults into simulated nodes: crash, outage, pause, slowness, old or lost disk, wrong clock."""

from __future__ import annotations

from collections import deque
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    ClockRate,
    Crash,
    Outage,
    Pause,
    SlowNode,
    StaleDisk,
    WallJump,
    WipedDisk,
)
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

__all__ = ["NodeFaults"]

IMAGE_INTERVAL_S = 0.5
RETRY_INTERVAL_S = 0.1

NodeFault = Crash | Outage | Pause | SlowNode | StaleDisk | WipedDisk | WallJump | ClockRate


class NodeFaults:
    """Injects faults into nodes. A fault for a node that is down waits until it is up.

    A replica with a stale disk has lost promises that it made, and nothing can detect it. Operators must never restart
    such a node, so it stays down. A wiped node refuses to start: its disk is not formatted, and must never be formatted
    again under its name.
    """

    def __init__(
        self, deployment: Deployment, world: SimulatedWorld, timing: FaultTiming, fault_counts: FaultCounts
    ) -> None:
        self._deployment = deployment
        self._world = world
        self._timing = timing
        self._fault_counts = fault_counts
        self._images: dict[str, deque[tuple[float, VirtualDisk]]] = {}
        self._oldest_s = 0.0

    def take_images_for(self, plan: FaultPlan) -> None:
        """Take images of all disks from now on, if `plan` makes a disk stale."""
        stale = [fault for fault in plan.faults if isinstance(fault, StaleDisk)]
        self._oldest_s = max((fault.age_s for fault in stale), default=0.0)
        if stale:
            self._images = {name: deque() for name in self._deployment.nodes}
            self._take_images()

    def inject(self, fault: NodeFault, node: SimulatedNode) -> None:
        """Inject a fault into `node`; an outage crashes all nodes."""
        if isinstance(fault, Outage):
            for at, each in enumerate(self._deployment.nodes.values()):
                self._kill(fault, each, 0.0, fault.down_s[at % len(fault.down_s)])
            return
        if not node.is_up or node.has_replaced_disk:
            self._timing.after(RETRY_INTERVAL_S, lambda: self.inject(fault, node))
            return
        match fault:
            case Crash():
                self._kill(fault, node, fault.delay_s, fault.down_s)
            case Pause():
                self._pause(fault, node)
            case SlowNode():
                self._slow(fault, node)
            case StaleDisk():
                self._make_stale(fault, node)
            case WipedDisk():
                self._fault_counts.note(fault.KIND)
                node.wipe()
                self._timing.after(fault.down_s, node.start)
            case WallJump():
                self._fault_counts.note(fault.KIND)
                self._world.clock(node.name).wall_offset_s += fault.offset_s
            case ClockRate():
                self._fault_counts.note(fault.KIND)
                self._world.clock(node.name).set_rate(fault.rate)
                self._timing.after(fault.duration_s, lambda: self._world.clock(node.name).set_rate(1.0))
            case _:
                assert_never(fault)

    def end_all(self) -> None:
        """Reset clock rates, resume paused and slow nodes, start nodes that are down unless their disk was replaced."""
        for node in self._deployment.nodes.values():
            self._world.clock(node.name).set_rate(1.0)
            if not node.is_down:
                node.life.slow_down(0.0)
                node.resume()
            elif not node.has_replaced_disk:
                node.start()

    def _kill(self, fault: Crash | Outage, node: SimulatedNode, delay_s: float, down_s: float) -> None:
        def end() -> None:
            if not node.is_down:
                self._fault_counts.note(fault.KIND)
                node.crash(down_s=None)
                self._timing.after(down_s, node.start)

        self._timing.after(delay_s, end)

    def _pause(self, fault: Pause, node: SimulatedNode) -> None:
        self._fault_counts.note(fault.KIND)
        node.pause()
        self._timing.after(fault.duration_s, node.resume)

    def _slow(self, fault: SlowNode, node: SimulatedNode) -> None:
        life = node.life
        self._fault_counts.note(fault.KIND)
        life.slow_down(fault.turn_s)
        self._timing.after(fault.duration_s, lambda: None if life.is_over else life.slow_down(0.0))

    def _make_stale(self, fault: StaleDisk, node: SimulatedNode) -> None:
        image = self._image(node.name, fault.age_s)
        if image is None:
            self._timing.after(RETRY_INTERVAL_S, lambda: self.inject(fault, node))
            return
        self._fault_counts.note(fault.KIND)
        node.replace_disk(image)

    def _image(self, name: str, age_s: float) -> VirtualDisk | None:
        """Return the disk as it was `age_s` ago; None if no image is that old."""
        now = self._world.loop.clock.monotonic()
        old = [image for at_s, image in self._images.get(name, ()) if at_s <= now - age_s]
        return old[-1].copy() if old else None

    def _take_images(self) -> None:
        now = self._world.loop.clock.monotonic()
        for name, images in self._images.items():
            images.append((now, self._world.disk(name).copy()))
            while len(images) > 2 and images[1][0] <= now - self._oldest_s:
                images.popleft()
        self._timing.after(IMAGE_INTERVAL_S, self._take_images)
