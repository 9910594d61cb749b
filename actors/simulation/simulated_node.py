"""One node of a simulated cluster: it lives, crashes, pauses, and lives again on what its disk kept.

                 ┌────────── crash, or an end of its own ───────────┐
                 ▼                                                  │
    DOWN ──start──▶ STARTING ──store open, actors spawned──▶ UP ──pause──▶ paused ──▶ UP …

Each life runs `Topology.start`, as `Topology.run` does in a process of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.errors import AlreadyFormatted, NodeUnreachable
from coterie.runtime.hosts.simulation.process_life import Life, LifeState
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.system import System, SystemConfig

__all__ = ["Habits", "SimulatedNode"]

DATA = "data"
"""The data directory of every node, on its own disk."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How the nodes of one cluster live: what is the same in all their lives.

    Attributes:
        topology: what runs.
        addresses: where they listen, by name.
        is_durable: whether they have data directories.
        config: of their systems.
        tell: hears of what happens: a node's name, an event, a detail.
        failed: hears when a life has ended by itself, in an error.
    """

    topology: Topology
    addresses: dict[str, str]
    is_durable: bool
    config: SystemConfig | None
    tell: Callable[[str, str, object], None]
    failed: Callable[[SimulatedNode, BaseException], None]


class SimulatedNode:
    """One node by its name, through all its lives. Get it from `Simulation.node`."""

    def __init__(self, name: str, world: SimulatedWorld, habits: Habits) -> None:
        self.name = name
        """Its name in the topology."""
        self.failure: BaseException | None = None
        """How its last life ended by itself; None if it did not."""
        self.has_bad_disk = False
        """Whether somebody broke its disk in this life: it must stop by itself."""
        self.is_rotten = False
        """Whether somebody spoilt old records on its disk: it must notice before it uses them."""
        self.has_forgotten = False
        """Whether its disk is not what it was: it is no replica any more."""
        self._world = world
        self._habits = habits
        self._life: Life | None = None
        self._node: Node | None = None
        self._main: asyncio.Task[None] | None = None
        self._is_formatted = False

    def __repr__(self) -> str:
        return f"<SimulatedNode {self.name}: {self.state}>"

    # --- how it is --------------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Whether it has started and lives; it may be paused."""
        return self._node is not None

    @property
    def is_down(self) -> bool:
        """Whether no process of it runs."""
        return self._life is None

    @property
    def is_gone(self) -> bool:
        """Whether it is out for good: its disk has forgotten, or it has noticed that it is rotten."""
        return self.has_forgotten or (self.is_rotten and self.failure is not None)

    @property
    def may_end(self) -> bool:
        """Whether it is right if it ends by itself now: its disk is bad, full or another one."""
        return self.has_bad_disk or self.has_forgotten or self._world.disk(self.name).capacity_bytes is not None

    @property
    def is_paused(self) -> bool:
        """Whether its process stands still."""
        return self._life is not None and self._life.state is LifeState.PAUSED

    @property
    def state(self) -> str:
        """How it is, in words."""
        if self._life is None:
            why = "" if self.failure is None else f": {type(self.failure).__name__}: {self.failure}"
            return f"down{why}"
        return "paused" if self.is_paused else "up" if self.is_up else "starting"

    @property
    def life(self) -> Life:
        """Its present life: run what touches `system` inside `with node.life:`. NodeUnreachable if it is down."""
        if self._life is None:
            raise NodeUnreachable(self.name, f"it is {self.state}")
        return self._life

    @property
    def node(self) -> Node:
        """The running node itself, to look at. NodeUnreachable if it is not up."""
        if self._node is None:
            raise NodeUnreachable(self.name, f"it is {self.state}")
        return self._node

    @property
    def system(self) -> System:
        """Its system, to look at. NodeUnreachable if it is not up."""
        return self.node.system

    # --- verbs ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin a life, if it is down; it is up a little later."""
        if self._life is not None:
            return
        self.failure = None
        self.has_bad_disk = False
        life = self._life = self._world.begin(self.name)
        self._habits.tell(self.name, "node.started", life.number)
        self._main = life.create_task(self._live(life), name=f"{self.name}/{life.number}")
        self._main.add_done_callback(lambda main: self._ended(life, main))

    def crash(self, *, after: float = 0.0, down: float | None = None, is_silent: bool = False) -> None:
        """End it as SIGKILL and a power failure do: nothing of it runs any more, what was not synced may be lost.

        Args:
            after: in how many seconds.
            down: after how many more seconds it starts again; None: not by itself.
            is_silent: whether its peers hear nothing (the machine is off); else their connections are reset.
        """
        self._at(after, lambda: self._crash(down, is_silent=is_silent))

    def restart(self, *, down: float = 0.0) -> None:
        """Crash it if it lives, and start it `down` seconds later."""
        self._crash(down, is_silent=False)

    def pause(self, *, after: float = 0.0, lasting: float | None = None) -> None:
        """Let it stand still, as SIGSTOP does, for `lasting` seconds (None: until `resume`), if it lives then."""
        self._at(after, lambda: self._pause(lasting))

    def resume(self) -> None:
        """End a pause, if there is one."""
        if self._life is not None and self.is_paused:
            self._habits.tell(self.name, "node.resumed", None)
            self._life.resume()

    async def stop(self) -> None:
        """End it in good order: handlers finish, hooks run, links close. Nothing if it is down.

        Raises:
            BaseException: what its end raises.
        """
        life, main = self._life, self._main
        if life is None or main is None:
            return
        self._habits.tell(self.name, "node.stopped", None)
        main.cancel()
        await asyncio.wait({main})
        self._let_go(life)
        if not main.cancelled() and (error := main.exception()) is not None:
            raise error

    def wipe(self, *, do_format: bool = False) -> None:
        """Give it a new, empty disk, see `replace_disk`; its next life ends at once, since that is not formatted.

        `do_format`: somebody formats it under its old name, which must never be done: that life is another replica, and
        its peers, who remember the old one, refuse it.
        """
        self.replace_disk(VirtualDisk())
        self._is_formatted = not do_format

    def replace_disk(self, disk: VirtualDisk) -> None:
        """Give it another disk; if it lives it crashes first. It stays down, and is no replica of anything any more."""
        self._crash(None, is_silent=False)
        self.has_forgotten = True
        self._world.disks[self.name] = disk
        self._habits.tell(self.name, "node.forgot", None)

    # --- how it lives -----------------------------------------------------------------------------------------------

    async def _live(self, life: Life) -> None:
        try:
            await self._serve(life, do_format=self._habits.is_durable and not self._is_formatted)
        except AlreadyFormatted:  # by an earlier life that did not come to say so
            self._is_formatted = True
            await self._serve(life, do_format=False)

    async def _serve(self, life: Life, *, do_format: bool) -> None:
        habits = self._habits
        async with habits.topology.start(
            node=self.name,
            listen=habits.addresses[self.name],
            peers={peer: address for peer, address in habits.addresses.items() if peer != self.name},
            data=DATA if habits.is_durable else None,
            bootstrap="new" if do_format else None,
            host=life.host,
            config=habits.config,
        ) as node:
            self._is_formatted = True
            self._node = node
            habits.tell(self.name, "node.up", None)
            await asyncio.Event().wait()

    def _ended(self, life: Life, main: asyncio.Task[None]) -> None:
        if self._life is not life:
            return
        error = None if main.cancelled() else main.exception()
        self._let_go(life)
        if error is not None:
            self.failure = error
            self._habits.tell(self.name, "node.failed", f"{type(error).__name__}: {error}")
            self._habits.failed(self, error)

    def _let_go(self, life: Life) -> None:
        if self._life is life:
            self._life = self._node = self._main = None
        life.crash()

    def _crash(self, down: float | None, *, is_silent: bool) -> None:
        life = self._life
        if life is not None:
            self._habits.tell(self.name, "node.crashed", None)
            self._life = self._node = self._main = None
            life.crash(is_silent=is_silent)
        if down is not None:
            self._at(down, self.start)

    def _pause(self, lasting: float | None) -> None:
        life = self._life
        if life is None or self.is_paused:
            return
        self._habits.tell(self.name, "node.paused", lasting)
        life.pause()
        if lasting is not None:
            self._at(lasting, lambda: self.resume() if self._life is life else None)

    def _at(self, after: float, verb: Callable[[], Any]) -> None:
        if after < 0:
            raise ValueError(f"{self.name}: in {after} s? time does not go back")
        if after == 0.0:
            verb()
        else:
            loop = self._world.loop
            loop.call_at_for(None, loop.clock.monotonic() + after, verb)
