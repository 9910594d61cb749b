"""Faults of disks: syncs and writes that fail, a full disk, rot, slowness.

A node whose disk fails must stop by itself and acknowledge nothing of what failed. It starts again later, as an
operator would start it; not if its old records have rotted: it has to say so, and stays down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import Timing
from coterie.actors.simulation.simulated_node import DATA, SimulatedNode
from coterie.errors import StorageDamaged
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.kinds.fault_kinds import BitRot, DiskFull, FsyncError, ShortWrite, SlowDisk
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

__all__ = ["DiskFaults"]

LATER_S = 0.05
LEAST_RECORDS_BYTES = 512
"""Rot waits until a disk holds as much: there must be old records."""

DiskFault = FsyncError | DiskFull | ShortWrite | BitRot | SlowDisk


class DiskFaults:
    """Strikes disks. A fault for a node that is down, or has stopped being a replica, waits."""

    def __init__(self, deployed: Deployment, world: SimulatedWorld, timing: Timing, firings: Firings) -> None:
        self._deployed = deployed
        self._world = world
        self._timing = timing
        self._firings = firings
        self._rng = world.rng("disk faults")

    def strike(self, fault: DiskFault, node: SimulatedNode) -> None:
        """Carry a fault out on the disk of `node`."""
        if not node.is_up or node.may_end or node.has_forgotten:
            self._timing.after(LATER_S, lambda: self.strike(fault, node))
            return
        disk = self._world.disk(node.name)
        match fault:
            case FsyncError():
                disk.fail_next_sync()
                self._await_end(fault, node, lambda: self._timing.after(fault.down_s, node.start))
            case ShortWrite():
                disk.fail_next_write()
                self._await_end(fault, node, lambda: self._timing.after(fault.down_s, node.start))
            case DiskFull():
                self._fill(fault, node, disk)
            case BitRot():
                self._rot(fault, node)
            case SlowDisk():
                self._slow(fault, node)
            case _:
                assert_never(fault)

    def calm(self) -> None:
        """Give every disk room, and its usual speed."""
        for node in self._deployed.nodes.values():
            self._world.disk(node.name).capacity_bytes = None
            if not node.is_down:
                node.life.host.executor.disk_factor = 1.0

    def _await_end(self, fault: FsyncError | ShortWrite, node: SimulatedNode, then: Callable[[], None]) -> None:
        """Call `then` once the node has stopped because of its disk; strike again if it ended otherwise before that."""
        life, node.has_bad_disk = node.life, True

        def look() -> None:
            if node.is_down and node.failure is not None:
                self._firings.note(fault.KIND)
                then()
            elif node.is_down or node.life is not life:
                self.strike(fault, node)
            else:
                self._timing.after(LATER_S, look)

        look()

    def _fill(self, fault: DiskFull, node: SimulatedNode, disk: VirtualDisk) -> None:
        disk.capacity_bytes = disk.used_bytes + fault.free_bytes
        full_until_s, has_stopped = self._timing.now() + fault.duration_s, False

        def look() -> None:
            nonlocal has_stopped
            if node.failure is not None and not has_stopped:
                has_stopped = True
                self._firings.note(fault.KIND)
            if has_stopped and self._timing.now() >= full_until_s:
                disk.capacity_bytes = None
                node.start()
            else:
                self._timing.after(LATER_S, look)

        look()

    def _slow(self, fault: SlowDisk, node: SimulatedNode) -> None:
        self._firings.note(fault.KIND)
        executor = node.life.host.executor
        executor.disk_factor = fault.factor

        def hasten() -> None:
            executor.disk_factor = 1.0

        self._timing.after(fault.duration_s, hasten)

    # --- rot --------------------------------------------------------------------------------------------------------

    def _rot(self, fault: BitRot, node: SimulatedNode) -> None:
        node.crash()
        if not self._spoil(self._world.disk(node.name)):
            node.start()
            self._timing.after(LATER_S, lambda: self.strike(fault, node))
            return
        self._firings.note(fault.KIND)
        node.is_rotten = True
        self._timing.after(fault.down_s, node.start)

    def _spoil(self, disk: VirtualDisk) -> bool:
        """Flip a bit among the older half of what a segment holds; return whether there was enough.

        The end of the log is left alone: rot there cannot be told from a write that the crash tore.
        """
        paths = [f"{DATA}/{name}" for name in disk.names(DATA) if name.endswith(".log")]
        held = {path: len(disk.contents(path).rstrip(b"\0")) for path in paths}
        old = [path for path in paths if held[path] >= LEAST_RECORDS_BYTES]
        if not old:
            return False
        path = self._rng.choice(old)
        disk.flip(path, self._rng.randrange(held[path] // 2), 1 << self._rng.randrange(8))
        return True


def is_noticed_rot(node: SimulatedNode, error: BaseException) -> bool:
    """Return whether `error` is how a node must end that has found its records rotten."""
    return node.is_rotten and isinstance(error, StorageDamaged)
