"""`SimulatedNode`: runs one node of a simulated cluster, which can crash, pause, and restart from its disk.

                 ┌───────────── crash, stop or failure ─────────────┐
                 ▼                                                  │
    DOWN ──start──▶ STARTING ──store open, actors spawned──▶ UP ──pause──▶ paused ──▶ UP …

Each start begins a new process life, which runs `Topology.start`, as `Topology.run` does in a real process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.errors import AlreadyFormatted, NodeUnreachable, RemovedFromView
from coterie.runtime.hosts.simulation.process_life import Life, LifeState
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.system import System, SystemConfig

__all__ = ["NodeSettings", "SimulatedNode"]

RESTART_S = 0.5
"""How long after it has ended a node is started again that its cluster has removed."""

DATA_DIRECTORY = "data"
"""The data directory of every node, on its own disk."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """Settings shared by all nodes of one cluster, the same in every process life.

    Attributes:
        topology: to run, until a node gets another one (`SimulatedNode.topology`).
        addresses: on which the nodes listen, by name.
        is_durable: whether nodes have data directories.
        config: of the nodes' systems.
        on_event: is called with a node's name, an event and a detail.
        on_failure: is called when a process life has ended with an error of its own.
    """

    topology: Topology
    addresses: dict[str, str]
    is_durable: bool
    config: SystemConfig | None
    on_event: Callable[[str, str, object], None]
    on_failure: Callable[[SimulatedNode, BaseException], None]

    def peers_of(self, node: str) -> dict[str, str]:
        """Return the addresses of the other declared nodes, by name: all that a declared one is told."""
        return {peer: self.addresses[peer] for peer in self.topology.nodes if peer != node}


class SimulatedNode:
    """One node over all its process lives. Get it from `Simulation.node`."""

    def __init__(self, name: str, world: SimulatedWorld, settings: NodeSettings, *, is_joining: bool = False) -> None:
        self.name = name
        """Its name in the topology."""
        self.failure: BaseException | None = None
        """The error with which the last process life ended by itself; None if it did not."""
        self.has_bad_disk = False
        """Whether a disk fault was injected into this process life: the node must stop by itself."""
        self.has_bit_rot = False
        """Whether old records on its disk were corrupted: the node must detect it before it uses them."""
        self.has_replaced_disk = False
        """Whether its disk was replaced by a stale or an empty one: the node is no longer a replica."""
        self.topology = settings.topology
        """The topology, and with it the code, that its next process life runs."""
        self._world = world
        self._settings = settings
        self._life: Life | None = None
        self._node: Node | None = None
        self._main: asyncio.Task[None] | None = None
        self._is_formatted = False
        self._is_joining = is_joining

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name}: {self.state}>"

    # --- state ------------------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether it has started and runs; it may be paused."""
        return self._node is not None

    @property
    def is_down(self) -> bool:
        """Whether no process of it runs."""
        return self._life is None

    @property
    def is_gone(self) -> bool:
        """Whether it is permanently down: its disk was replaced, or it has detected bit rot."""
        return self.has_replaced_disk or (self.has_bit_rot and self.failure is not None)

    @property
    def may_end(self) -> bool:
        """Whether it may end by itself now: its disk is faulty, full or replaced."""
        return self.has_bad_disk or self.has_replaced_disk or self._world.disk(self.name).capacity_bytes is not None

    @property
    def is_paused(self) -> bool:
        """Whether its process is paused."""
        return self._life is not None and self._life.state is LifeState.PAUSED

    @property
    def state(self) -> str:
        """Its state in words: `down`, `starting`, `up` or `paused`, with the error if it failed."""
        if self._life is None:
            why = "" if self.failure is None else f": {type(self.failure).__name__}: {self.failure}"
            return f"down{why}"
        return "paused" if self.is_paused else "up" if self.is_up else "starting"

    @property
    def life(self) -> Life:
        """Its present process life: use `system` only inside `with node.life:`. NodeUnreachable if it is down."""
        if self._life is None:
            raise NodeUnreachable(self.name, f"it is {self.state}")
        return self._life

    @property
    def node(self) -> Node:
        """The running `Node`, for inspection. NodeUnreachable if it is not up."""
        if self._node is None:
            raise NodeUnreachable(self.name, f"it is {self.state}")
        return self._node

    @property
    def system(self) -> System:
        """The actor system of the running node, for inspection. NodeUnreachable if it is not up."""
        return self.node.system

    # --- operations -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a new process life if the node is down; `is_up` becomes true a little later."""
        if self._life is not None:
            return
        self.failure = None
        self.has_bad_disk = False
        life = self._life = self._world.begin(self.name)
        self._settings.on_event(self.name, "node.started", life.number)
        self._main = life.create_task(self._run_life(life), name=f"{self.name}/{life.number}")
        self._main.add_done_callback(lambda main: self._on_end(life, main))

    def crash(self, *, after_s: float = 0.0, down_s: float | None = None, is_silent: bool = False) -> None:
        """Kill it as SIGKILL and a power failure do: nothing of it runs any more; unsynced data may be lost.

        Args:
            after_s: delay before the crash (s).
            down_s: delay between the crash and the restart (s); None: no restart.
            is_silent: whether peers see nothing, as when the machine is off; else their connections are reset.
        """
        self._call_after(after_s, lambda: self._crash(down_s, is_silent=is_silent))

    def restart(self, *, down_s: float = 0.0) -> None:
        """Crash it if it runs, and start it `down_s` seconds later."""
        self._crash(down_s, is_silent=False)

    def pause(self, *, after_s: float = 0.0, duration_s: float | None = None) -> None:
        """Pause it after `after_s`, as SIGSTOP does, for `duration_s` (None: until `resume`), if it runs then."""
        self._call_after(after_s, lambda: self._pause(duration_s))

    def resume(self) -> None:
        """Resume it if it is paused, as SIGCONT does."""
        if self._life is not None and self.is_paused:
            self._settings.on_event(self.name, "node.resumed", None)
            self._life.resume()

    async def stop(self) -> None:
        """Stop it gracefully: handlers finish, hooks run, links close. Nothing happens if it is down.

        Raises:
            BaseException: the error raised during the stop.
        """
        life, main = self._life, self._main
        if life is None or main is None:
            return
        self._settings.on_event(self.name, "node.stopped", None)
        main.cancel()
        await asyncio.wait({main})
        self._end_life(life)
        if not main.cancelled() and (error := main.exception()) is not None:
            raise error

    def wipe(self, *, do_format: bool = False, join: bool = False) -> None:
        """Give it a new, empty disk, see `replace_disk`; its next start fails, because the disk is not formatted.

        Args:
            do_format: format the disk under the old name at the next start. Operators must never do so: the node is
                then another replica, and its peers, which remember the old store, refuse it.
            join: format it with `bootstrap="join"` at the next start, as operators do: the node waits until it is
                added, or the lost store is replaced (`GroupClient.replace`).
        """
        self.replace_disk(VirtualDisk())
        self._is_formatted = not (do_format or join)
        if join:
            self._is_joining = True
            self.has_replaced_disk = self.has_bit_rot = False

    def replace_disk(self, disk: VirtualDisk) -> None:
        """Crash it if it runs, and replace its disk. It stays down, and is no longer a replica of any group."""
        self._crash(None, is_silent=False)
        self.has_replaced_disk = True
        self._world.disks[self.name] = disk
        self._settings.on_event(self.name, "node.forgot", None)

    # --- process lives ----------------------------------------------------------------------------------------------

    async def _run_life(self, life: Life) -> None:
        try:
            await self._serve(life, do_format=self._settings.is_durable and not self._is_formatted)
        except AlreadyFormatted:  # by an earlier life that crashed before it set `_is_formatted`
            self._is_formatted = True
            await self._serve(life, do_format=False)

    async def _serve(self, life: Life, *, do_format: bool) -> None:
        settings = self._settings
        peers, is_guest = settings.peers_of(self.name), self.name not in settings.topology.nodes
        async with self.topology.start(
            node=self.name,
            listen=settings.addresses[self.name],
            peers=None if is_guest else peers,
            join=tuple(peers.values()) if is_guest else (),
            data=DATA_DIRECTORY if settings.is_durable else None,
            bootstrap=None if not do_format else "join" if self._is_joining else "new",
            host=life.host,
            config=settings.config,
        ) as node:
            self._is_formatted = True
            self._node = node
            settings.on_event(self.name, "node.up", None)
            await node.ended()

    def _on_end(self, life: Life, main: asyncio.Task[None]) -> None:
        if self._life is not life:
            return
        error = None if main.cancelled() else main.exception()
        self._end_life(life)
        if isinstance(error, RemovedFromView):  # what runs a node starts it again
            self._settings.on_event(self.name, "node.removed", str(error))
            self._call_after(RESTART_S, self.start)
        elif error is not None:
            self.failure = error
            self._settings.on_event(self.name, "node.failed", f"{type(error).__name__}: {error}")
            self._settings.on_failure(self, error)

    def _end_life(self, life: Life) -> None:
        if self._life is life:
            self._life = self._node = self._main = None
        life.crash()

    def _crash(self, down_s: float | None, *, is_silent: bool) -> None:
        life = self._life
        if life is not None:
            self._settings.on_event(self.name, "node.crashed", None)
            self._life = self._node = self._main = None
            life.crash(is_silent=is_silent)
        if down_s is not None:
            self._call_after(down_s, self.start)

    def _pause(self, duration_s: float | None) -> None:
        life = self._life
        if life is None or self.is_paused:
            return
        self._settings.on_event(self.name, "node.paused", duration_s)
        life.pause()
        if duration_s is not None:
            self._call_after(duration_s, lambda: self.resume() if self._life is life else None)

    def _call_after(self, delay_s: float, operation: Callable[[], Any]) -> None:
        if delay_s < 0:
            raise ValueError(f"node {self.name!r}: a delay of {delay_s} s: it must not be negative")
        if delay_s == 0.0:
            operation()
        else:
            loop = self._world.loop
            loop.call_at_for(None, loop.clock.monotonic() + delay_s, operation)
