"""`DiskFaults`: injects faults into simulated disks: failed sync, short write, full disk, bit rot, slow disk.

A node whose disk fails must stop by itself and acknowledge none of the failed writes. It is started again later, as an
operator would do. One whose disk is full stays up, acknowledges nothing that it cannot write, and goes on later; only
one that starts on a full disk stops. After bit rot in old records, or in the
snapshot that its register names, it must stop with `StorageDamaged`, and stays down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from coterie.actors.groups.compaction.group_snapshots import snapshot_name
from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.simulated_node import DATA_DIRECTORY, SimulatedNode
from coterie.errors import StorageDamaged
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import BitRot, DiskFull, FsyncError, ShortWrite, SlowDisk
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

__all__ = ["DiskFaults"]

RETRY_INTERVAL_S = 0.05
MIN_RECORDS_BYTES = 512
"""Bit rot in a segment waits until it holds this many bytes, so that there are old records."""

DiskFault = FsyncError | DiskFull | ShortWrite | BitRot | SlowDisk


class DiskFaults:
    """Injects faults into disks. A fault for a node that is down or has a faulty or replaced disk waits."""

    def __init__(
        self, deployment: Deployment, world: SimulatedWorld, timing: FaultTiming, fault_counts: FaultCounts
    ) -> None:
        self._deployment = deployment
        self._world = world
        self._timing = timing
        self._fault_counts = fault_counts
        self._rng = world.rng("disk faults")

    def inject(self, fault: DiskFault, node: SimulatedNode) -> None:
        """Inject a fault into the disk of `node`."""
        if not node.is_up or node.may_end or node.has_replaced_disk:
            self._timing.after(RETRY_INTERVAL_S, lambda: self.inject(fault, node))
            return
        disk = self._world.disk(node.name)
        match fault:
            case FsyncError():
                disk.fail_next_sync()
                self._await_failure(fault, node, lambda: self._timing.after(fault.down_s, node.start))
            case ShortWrite():
                disk.fail_next_write()
                self._await_failure(fault, node, lambda: self._timing.after(fault.down_s, node.start))
            case DiskFull():
                self._fill(fault, node, disk)
            case BitRot():
                self._rot(fault, node)
            case SlowDisk():
                self._slow(fault, node)
            case _:
                assert_never(fault)

    def end_all(self) -> None:
        """Remove the size limit of every disk, and restore its speed."""
        for node in self._deployment.nodes.values():
            self._world.disk(node.name).capacity_bytes = None
            if not node.is_down:
                node.life.host.executor.disk_factor = 1.0

    def _await_failure(self, fault: FsyncError | ShortWrite, node: SimulatedNode, then: Callable[[], None]) -> None:
        """Call `then` once the node has stopped because of its disk; inject again if it ended for another reason."""
        life, node.has_bad_disk = node.life, True

        def poll() -> None:
            if node.is_down and node.failure is not None:
                self._fault_counts.note(fault.KIND)
                then()
            elif node.is_down or node.life is not life:
                self.inject(fault, node)
            else:
                self._timing.after(RETRY_INTERVAL_S, poll)

        poll()

    def _fill(self, fault: DiskFull, node: SimulatedNode, disk: VirtualDisk) -> None:
        disk.capacity_bytes = disk.used_bytes + fault.free_bytes
        full_until_s, has_stopped = self._timing.now() + fault.duration_s, False

        def poll() -> None:
            nonlocal has_stopped
            if node.failure is not None and not has_stopped:
                has_stopped = True
                self._fault_counts.note(fault.KIND)
            is_short = node.is_up and node.node.store.is_short_of_space  # it waits for space, and may never stop
            if (has_stopped or is_short) and self._timing.now() >= full_until_s:
                disk.capacity_bytes = None
                if has_stopped:
                    node.start()
                else:
                    self._fault_counts.note(fault.KIND)
            else:
                self._timing.after(RETRY_INTERVAL_S, poll)

        poll()

    def _slow(self, fault: SlowDisk, node: SimulatedNode) -> None:
        self._fault_counts.note(fault.KIND)
        executor = node.life.host.executor
        executor.disk_factor = fault.factor

        def restore_speed() -> None:
            executor.disk_factor = 1.0

        self._timing.after(fault.duration_s, restore_speed)

    # --- bit rot ----------------------------------------------------------------------------------------------------

    def _rot(self, fault: BitRot, node: SimulatedNode) -> None:
        node.crash()
        if not self._flip_bit(node, self._world.disk(node.name)):
            node.start()
            self._timing.after(RETRY_INTERVAL_S, lambda: self.inject(fault, node))
            return
        self._fault_counts.note(fault.KIND)
        node.has_bit_rot = True
        self._timing.after(fault.down_s, node.start)

    def _flip_bit(self, node: SimulatedNode, disk: VirtualDisk) -> bool:
        """Flip a bit in the older half of a segment, or in a snapshot that a register names; return whether it did.

        The end of the log is not changed: bit rot there cannot be distinguished from a write torn by the crash.
        """
        paths = [f"{DATA_DIRECTORY}/{name}" for name in disk.names(DATA_DIRECTORY)]
        held = {path: len(disk.contents(path).rstrip(b"\0")) for path in paths if path.endswith(".log")}
        rotting = {path: size // 2 for path, size in held.items() if size >= MIN_RECORDS_BYTES}
        endings = tuple(f"-{snapshot_name(each)}.snapshot" for each in self._deployment.snapshots_on(node))
        rotting.update({path: len(disk.contents(path)) for path in paths if path.endswith(endings)})
        if not rotting:
            return False
        path = self._rng.choice(list(rotting))
        disk.flip(path, self._rng.randrange(rotting[path]), 1 << self._rng.randrange(8))
        return True


def is_detected_rot(node: SimulatedNode, error: BaseException) -> bool:
    """Return whether `error` is the error with which `node` must end after it has detected bit rot."""
    return node.has_bit_rot and isinstance(error, StorageDamaged)
